"""Opening and closing."""

from __future__ import annotations

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores import store_for
from afterwards.tasks import Search
from tests.contract.builders import TimedStore, a_call, ids_of


async def test_opening_twice_changes_nothing(store: TimedStore):
    call = a_call()
    await store.add([call])
    await store.open()
    assert ids_of(await store.find(Search(), limit=10)) == [call.id]


async def test_closing_twice_does_no_harm(store: TimedStore):
    await store.close()
    await store.close()


async def test_a_closed_store_can_be_opened_again(store: TimedStore):
    await store.close()
    await store.open()
    await store.add([a_call()])
    assert len(await store.find(Search(), limit=10)) == 1


async def test_a_store_opens_by_itself_when_it_is_first_used(url: str):
    store = store_for(url)
    assert await store.find(Search(), limit=10) == []
    await store.add([a_call()])
    assert len(await store.find(Search(), limit=10)) == 1
    await store.close()


async def test_the_identity_is_known_after_opening_and_stays(store: TimedStore):
    identity = store.identity
    await store.open()
    assert identity
    assert store.identity == identity


async def test_the_identity_is_not_known_before_opening(url: str):
    with pytest.raises(StoreUnavailable, match="open"):
        _ = store_for(url).identity


async def test_two_stores_have_different_identities(store: TimedStore):
    other = store_for("sqlite://")
    await other.open()
    assert other.identity != store.identity
    await other.close()


async def test_the_description_says_what_kind_of_store_it_is(store: TimedStore):
    assert any(kind in store.description for kind in ("SQLite", "PostgreSQL", "Redis"))


async def test_a_sound_store_has_nothing_to_warn_of(store: TimedStore):
    assert store.warnings() == []
