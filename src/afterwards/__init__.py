"""FastAPI background tasks, made durable."""
