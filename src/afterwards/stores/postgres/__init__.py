"""The store in a PostgreSQL database, by asyncpg."""
