"""A user of the database who may read and write our tables, and make none."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from afterwards.checkup import Level
from afterwards.errors import StoreUnusable
from afterwards.outcomes import done
from afterwards.stores import examine, store_for
from afterwards.tasks import Search, State
from tests import databases
from tests.contract.builders import a_line, claim_all, ids_of, sign_on

GRANT = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {0}"


@pytest.fixture
def owner(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, as its owner."""
    return databases.new(request)


@pytest.fixture
def user(owner: str) -> Iterator[str]:
    """The name of a user who may do nothing there but come in."""
    name = f"app_{uuid4().hex[:12]}"
    databases.run(owner, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'", f"REVOKE CREATE ON SCHEMA public FROM {name}")
    yield name
    databases.run(owner, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def url_for(user: str, owner: str) -> str:
    parts = urlsplit(owner)
    return urlunsplit(parts._replace(netloc=f"{user}:secret@{parts.netloc.rpartition('@')[2]}"))


def test_a_checkup_says_that_a_user_may_make_no_tables(owner: str, user: str):
    databases.run(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert wrong_rights(url_for(user, owner)) == ["this user may not make tables in the schema public"]
    assert wrong_rights(f"{owner}?search_path=nowhere") == ["no schema of the search path exists"]
    assert wrong_rights(owner) == []


def wrong_rights(url: str) -> list[str]:
    findings = [finding for finding in examine(url).findings if finding.subject == "rights"]
    return [finding.says.partition(":")[0] for finding in findings if finding.level is Level.WRONG]


async def test_such_a_user_works_where_another_has_migrated(owner: str, user: str):
    store = store_for(url_for(user, owner), migrate=False)
    with pytest.raises(StoreUnusable, match="run `afterwards migrate`"):
        await store.open()
    databases.run(owner, store.schema_sql(since=0), GRANT.format(user))

    worker = await sign_on(store)
    await store.add(line := a_line(3))
    await store.pause("default", paused=True)
    await store.pause("default", paused=False)
    for call in line[:2]:
        [task] = await claim_all(store, worker)
        assert task.id == call.id
        await store.settle([done(task.claim)])
    assert await store.retry([line[0].id]) == [line[0].id]
    assert await store.cancel([line[0].id]) == [line[0].id]
    assert ids_of(await store.hand_over(limit=10)) == [line[2].id]
    assert await store.forget([line[2].id]) == [line[2].id]
    await store.sign_off(worker)
    assert {task.state for task in await store.find(Search(), limit=10)} == {State.DONE, State.CANCELLED}
    assert (await store.census()).workers == ()
    await store.close()
