"""The tables as metadata of SQLAlchemy are those of the store's own schema, and Alembic leaves them alone."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, MetaData, Table, Text, create_engine, inspect
from sqlalchemy.pool import NullPool

from afterwards import Afterwards
from afterwards.stores.sqlalchemy import include_name, include_object, metadata

ONE_OF_EACH = ["SQLite Session", "PostgreSQL Session"]

theirs = MetaData()
people = Table("people", theirs, Column("name", Text, nullable=False, unique=True))


@pytest.fixture
def engine(url: str, afterwards: Afterwards) -> Engine:
    """On a database in which the store has made its tables."""
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def proposals(engine: Engine, of: Any, **options: object) -> list[Any]:
    """What Alembic would change so that the database has these tables."""
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "target_metadata": of, **options},
        )
        return list(compare_metadata(context, of))


@pytest.mark.parametrize("kind", ONE_OF_EACH)
async def test_alembic_finds_no_difference_between_the_metadata_and_the_schema(engine: Engine):
    assert proposals(engine, [theirs, metadata(engine.dialect.name)]) == []


@pytest.mark.parametrize("kind", ONE_OF_EACH)
async def test_every_table_and_column_of_the_schema_is_in_the_metadata_and_no_other(engine: Engine):
    found = inspect(engine)
    in_database = {name: [column["name"] for column in found.get_columns(name)] for name in found.get_table_names()}
    in_metadata = {name: list(table.columns.keys()) for name, table in metadata(engine.dialect.name).tables.items()}
    assert {**in_metadata, "people": ["name"]} == in_database


@pytest.mark.parametrize("kind", ONE_OF_EACH)
async def test_without_our_metadata_alembic_would_drop_our_tables_and_a_filter_keeps_it_from_that(engine: Engine):
    assert proposals(engine, [theirs]) != []
    assert proposals(engine, [theirs], include_name=include_name) == []
    assert proposals(engine, [theirs], include_object=include_object) == []


@pytest.mark.parametrize("kind", ONE_OF_EACH)
async def test_the_filters_see_what_is_the_users(engine: Engine):
    missing = MetaData()
    Table("missing", missing, Column("name", Text))
    for options in ({"include_name": include_name}, {"include_object": include_object}):
        [(verb, table)] = proposals(engine, [theirs, missing], **options)
        assert (verb, table.name) == ("add_table", "missing")
