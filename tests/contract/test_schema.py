"""The schema of a store: looked at, made, and left alone."""

from __future__ import annotations

import pytest

from afterwards.errors import StoreUnusable
from afterwards.stores import is_lasting, store_for
from tests.contract.builders import TimedStore, a_call


async def test_an_open_store_is_up_to_date(store: TimedStore):
    schema = await store.schema()
    assert schema is None or (schema.version == schema.newest >= 1 and not schema.is_behind)


async def test_a_store_can_be_looked_at_before_it_is_made(url: str):
    store = store_for(url)
    schema = await store.schema()
    assert schema is None or (schema.version == 0 and schema.is_behind)
    await store.close()


async def test_what_there_is_to_do_is_told_without_asking_the_store(store: TimedStore):
    schema = await store.schema()
    if schema is None:
        assert store.schema_sql(since=0) == ""
    else:
        assert "afterwards_schema" in store.schema_sql(since=0)
        assert store.schema_sql(since=schema.newest) == ""


async def test_a_store_that_may_not_migrate_refuses_what_is_missing_and_works_once_it_is_there(url: str):
    strict, making = store_for(url, migrate=False), store_for(url)
    if await strict.schema() is not None and is_lasting(url):
        with pytest.raises(StoreUnusable, match="run `afterwards migrate`"):
            await strict.open()
        schema = await making.schema()
        assert schema is not None
        assert schema.version == 0, "to refuse is not to make"
    await making.open()
    await strict.open()
    await strict.add([a_call()])
    await strict.close()
    await making.close()
