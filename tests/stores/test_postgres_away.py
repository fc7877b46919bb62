"""A server that is away, says no, or answers nothing: the store says so in time, loses nothing, and goes on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TypeVar, cast

import psycopg
import pytest

from afterwards.errors import CannotStore, StoreUnavailable, StoreUnusable
from afterwards.outcomes import Ending, done
from afterwards.stores import examine, store_for
from afterwards.tasks import Search, State, Woken
from tests import databases, servers
from tests.contract.builders import (
    EVERYTHING,
    LEASE,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)
from tests.stores.away import VERBS, tried
from tests.stores.redis_builders import Passage

T = TypeVar("T")
PATIENCE = timedelta(seconds=0.5)
LONG_PATIENCE = timedelta(seconds=20)
A_BACKEND = "pid <> pg_backend_pid() AND datname = current_database() AND application_name = 'afterwards'"
TERMINATE = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {A_BACKEND}"
LOOKED = f"SELECT count(*) FROM pg_stat_activity WHERE {A_BACKEND} AND query LIKE 'WITH RECURSIVE%'"

TERMINATED = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
LAST_WORDS = b"E" + (len(TERMINATED) + 4).to_bytes(4) + TERMINATED


def a_store(url: str, *, add_timeout: timedelta = LONG_PATIENCE) -> TimedStore:
    return cast(TimedStore, store_for(url, add_timeout=add_timeout))


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.fixture
async def store(url: str) -> AsyncIterator[TimedStore]:
    store = a_store(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """One of this file's own, which tests may kill."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def passage(url: str) -> Iterator[Passage]:
    passage = Passage(url)
    passage.url = f"postgresql://postgres@{passage.url.partition('//')[2].partition('/')[0]}/{url.rpartition('/')[2]}"
    yield passage
    passage.close()


@pytest.fixture
async def far_store(passage: Passage) -> AsyncIterator[TimedStore]:
    """A store behind a passage."""
    store = a_store(passage.url)
    await store.open()
    yield store
    await store.close()


async def until_well(work: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while await tried(work()) is not None:
            await asyncio.sleep(0.05)


# The server is gone


async def test_every_verb_says_that_the_server_is_away_and_works_when_it_is_back(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    server.kill()
    began = time.monotonic()
    verbs = [*VERBS.values(), lambda store: store.schema()]
    errors = await asyncio.gather(*(tried(work(store)) for work in verbs))
    assert time.monotonic() - began < PATIENCE.total_seconds() + 1.5
    server.start()
    assert {type(error) for error in errors} == {StoreUnavailable}
    for work in verbs:
        await until_well(lambda work=work: work(store))  # type: ignore[misc]  # bound now
    await store.close()


async def test_a_server_that_is_not_there_yet_lets_the_store_open_later(server: servers.Server):
    server.stop()
    store = a_store(server.url, add_timeout=PATIENCE)
    with pytest.raises(StoreUnavailable, match="cannot be used now"):
        await store.open()
    server.start()
    patient = a_store(server.url)
    await patient.open()
    await patient.close()
    await store.close()


async def test_an_add_waits_for_a_server_that_restarts_in_time(server: servers.Server):
    store = a_store(server.url)
    await store.open()
    server.kill()
    adding = asyncio.ensure_future(store.add([call := a_call()]))
    server.start()
    assert [one.id for one in await adding] == [call.id]
    assert (await the_task(store, call.id)).state is State.WAITING
    await store.close()


async def test_who_comes_when_it_has_long_been_away_is_told_soon(server: servers.Server):
    store = a_store(server.url, add_timeout=timedelta(seconds=2))
    await store.open()
    server.kill()
    try:
        while await tried(store.add([a_call()])) is None:  # what it left behind may serve one more
            pass
        began = time.monotonic()
        for _ in range(3):
            assert isinstance(await tried(store.add([a_call()])), StoreUnavailable)
        assert time.monotonic() - began < 3 * 1.0 + 0.5, "not two seconds each"
        await store.close()
    finally:
        server.start()


async def test_a_part_of_the_server_that_has_stopped_is_left_for_another(server: servers.Server):
    store = a_store(server.url, add_timeout=timedelta(seconds=6))
    await store.open()
    await store.add([a_call()])
    pids = databases.column(server.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'afterwards'")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await tried(store.add([a_call()])) is None, "there is time for a second try, on another connection"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    await store.close()


# Connections that break


async def test_terminated_backends_cost_nothing_but_time(store: TimedStore, url: str):
    worker = await sign_on(store)
    added = []
    for _ in range(5):
        await asyncio.to_thread(databases.run, url, TERMINATE)
        added += [one.id for one in await store.add(some_calls(3))]
        claimed = await claim_all(store, worker)
        await asyncio.to_thread(databases.run, url, TERMINATE)
        assert len((await store.settle([done(task.claim) for task in claimed])).held) == 3
        assert not (await store.renew(worker, lease=LEASE)).lost
    assert {task.id for task in await store.find(Search(state=State.DONE), limit=EVERYTHING)} == set(added)


async def test_a_waiter_hears_again_after_its_connection_was_lost(store: TimedStore, url: str):
    other, worker = a_store(url), await sign_on(store)
    await asyncio.to_thread(databases.run, url, TERMINATE)
    waiting = asyncio.ensure_future(store.wait(worker, timeout=20, suspects=True))
    while databases.column(url, LOOKED) == [0]:  # before it looks, a new connection listens
        await asyncio.sleep(0.02)
    added = time.monotonic()
    await other.add([a_call()])
    assert await waiting is Woken.READY
    assert time.monotonic() - added < 0.5
    await other.close()


async def test_load_goes_on_while_backends_are_terminated(store: TimedStore, url: str):
    worker, ran = await sign_on(store), list[str]()
    calls = some_calls(300)

    async def add_all() -> None:
        for start in range(0, len(calls), 3):
            for one in await store.add(calls[start : start + 3], claimed_by=worker):
                if one.claimed is not None:
                    await store.settle([done(one.claimed.claim)])

    async def claim_until_all_are_done() -> None:
        while (await store.census()).by_state[State.DONE] < len(calls):
            await store.settle([done(task.claim) for task in await claim_all(store, worker)])
            ran.append("round")
            await asyncio.sleep(0.01)

    async def terminate() -> None:
        for _ in range(8):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(databases.run, url, TERMINATE)

    async with asyncio.timeout(40):
        await asyncio.gather(add_all(), claim_until_all_are_done(), terminate())
    assert len(await store.find(Search(state=State.DONE), limit=EVERYTHING)) == len(calls)


@pytest.mark.parametrize("asked", [b"INSERT INTO afterwards_tasks", b"FROM pg_class"], ids=["adds", "connects"])
async def test_last_words_of_a_server_that_does_not_hang_up_cost_nothing(
    passage: Passage, far_store: TimedStore, url: str, asked: bytes
):
    await asyncio.to_thread(databases.run, url, TERMINATE)
    passage.last_words, passage.last_words_to = LAST_WORDS, asked
    await far_store.add(calls := some_calls(3))
    assert passage.lost == 1
    assert sorted(ids_of(await far_store.find(Search(), limit=EVERYTHING))) == sorted(ids_of(calls))


async def test_a_schema_that_changes_under_prepared_statements_costs_nothing(store: TimedStore, url: str):
    worker = await sign_on(store)
    await store.add(calls := [*some_calls(2), *a_line(2)])
    ran = [*await store.claim(worker, limit=1, suspects=True), *await store.claim(worker, limit=1, suspects=True)]
    await store.settle([done(ran[0].claim, result='"1"')], claimed_by=worker)
    databases.run(url, "ALTER TABLE afterwards_tasks ALTER COLUMN priority TYPE integer")
    assert ids_of(await claim_all(store, worker)) == [calls[2].id]
    assert (await store.settle([done(ran[1].claim, result='"2"')], claimed_by=worker)).held == [ran[1].claim]
    assert [(await the_task(store, task.id)).returned for task in ran] == ['"1"', '"2"']


# Answers that were lost: what was asked may have been done


async def lost_once(passage: Passage, of: bytes, work: Awaitable[T]) -> T:
    """Let one answer be lost, and pass the next."""
    passage.loses_answers_to = of
    doing, lost = asyncio.ensure_future(work), passage.lost
    while passage.lost == lost:
        await asyncio.sleep(0.005)
    passage.loses_answers_to = None
    return await doing


async def test_an_add_whose_answer_was_lost_is_stored_once(passage: Passage, far_store: TimedStore):
    calls = some_calls(3)
    await far_store.add([calls[0]])
    added = await lost_once(passage, b"", far_store.add(calls))
    assert [one.id for one in added] == ids_of(calls)
    assert ids_of(await far_store.find(Search(), limit=10)) == ids_of(calls[::-1])


async def test_an_adder_gets_what_it_claimed_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    worker = await sign_on(far_store)
    line = a_line(2)
    first, second = await lost_once(passage, b"", far_store.add(line, claimed_by=worker))
    assert first.claimed is not None
    assert first.claimed == await the_task(far_store, line[0].id)
    assert second.claimed is None
    assert (await far_store.settle([done(first.claimed.claim)])).held == [first.claimed.claim]


async def test_what_was_claimed_for_an_adder_who_gave_up_does_not_stay_claimed(passage: Passage, url: str):
    store, near = a_store(passage.url, add_timeout=PATIENCE), a_store(url)
    worker = await sign_on(store)
    await store.add([a_call()])
    call = a_call()
    passage.loses_answers_to = b""
    with pytest.raises(StoreUnavailable, match="answer was lost"):
        await store.add([call], claimed_by=worker)
    assert (await the_task(near, call.id)).state is State.RUNNING
    passage.loses_answers_to = None
    async with asyncio.timeout(10):
        while (await the_task(near, call.id)).state is State.RUNNING:
            await asyncio.sleep(0.02)
    assert (await the_task(near, call.id)).attempt == 0
    await store.close()
    await near.close()


async def test_a_claim_whose_answer_was_lost_leaves_nothing_with_a_worker_that_does_not_know(
    passage: Passage, far_store: TimedStore
):
    worker = await sign_on(far_store)
    await far_store.add(calls := some_calls(5))
    claimed = await lost_once(passage, b"COMMIT", claim_all(far_store, worker))
    async with asyncio.timeout(10):
        while len(claimed) < 5:
            claimed += await claim_all(far_store, worker)
    assert sorted(ids_of(claimed)) == sorted(ids_of(calls))
    running = await far_store.find(Search(state=State.RUNNING), limit=10)
    assert {task.claim for task in running} == {task.claim for task in claimed}


async def test_a_settler_whose_answer_was_lost_hears_that_it_held(passage: Passage, far_store: TimedStore):
    worker = await sign_on(far_store)
    line = a_line(2)
    [head, _] = await far_store.add(line, claimed_by=worker)
    assert head.claimed is not None
    settling = far_store.settle([done(head.claimed.claim)], claimed_by=worker)
    settled = await lost_once(passage, b"COMMIT", settling)
    assert settled.held == [head.claimed.claim]
    followers = settled.claimed
    async with asyncio.timeout(10):
        while not followers:
            followers = await claim_all(far_store, worker)
    assert ids_of(followers) == [line[1].id]


@pytest.mark.parametrize("verb", ["cancel", "retry", "forget", "delete"])
async def test_a_person_whose_answer_was_lost_is_told_so(passage: Passage, far_store: TimedStore, verb: str):
    await far_store.add([call := a_call()])
    await far_store.census()
    with pytest.raises(StoreUnavailable, match="may have been done"):
        await lost_once(passage, b"COMMIT", getattr(far_store, verb)([call.id]))
    await far_store.census()


async def test_a_connection_whose_other_end_is_gone_without_a_word_is_given_up(passage: Passage):
    store = a_store(passage.url, add_timeout=PATIENCE)
    await store.open()
    passage.is_deaf = True
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.add([a_call()])
    assert time.monotonic() - began < PATIENCE.total_seconds() + 2.0
    passage.is_deaf = False
    await until_well(lambda: store.add([a_call()]))
    await store.close()


# A wrong set-up


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: f"{url}_that_is_not_there", "there is no such database"),
        (lambda url: url.replace("postgres@", "nobody:secret@"), "are the user and the password"),
    ],
)
async def test_a_wrong_set_up_is_refused_in_words_and_without_the_password(
    url: str, change: Callable[[str], str], words: str
):
    store = a_store(change(url))
    with pytest.raises(StoreUnusable, match=words) as refused:
        await store.open()
    assert "secret" not in str(refused.value) + repr(refused.value.__cause__) + store.description
    assert "secret" not in str(examine(change(url)))
    await store.close()


async def test_a_user_who_may_not_make_the_tables_is_refused_and_works_once_they_are_there(url: str):
    name = f"clerk_{url[-8:]}"
    databases.run(url, f"CREATE ROLE {name} LOGIN")
    store, owner = a_store(url.replace("postgres@", f"{name}@")), a_store(url)
    with pytest.raises(StoreUnusable, match="this user may not"):
        await store.open()
    await owner.open()
    databases.run(url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    await store.open()
    await store.add([a_call()])
    await store.close()
    await owner.close()
    databases.run(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


async def test_tables_that_are_dropped_under_a_store_are_made_again(store: TimedStore, url: str):
    databases.run(url, *databases.EMPTYING)
    async with asyncio.timeout(10):
        while await tried(store.add([call := a_call()])) is not None:
            await asyncio.sleep(0.05)
    assert (await the_task(store, call.id)).state is State.WAITING


async def test_a_read_only_server_is_away_and_not_unusable(store: TimedStore, url: str):
    name = url.rpartition("/")[2]
    databases.run(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on", TERMINATE)
    hurried = a_store(url, add_timeout=PATIENCE)
    error = await tried(hurried.add([a_call()]))
    await hurried.close()
    assert isinstance(error, StoreUnavailable)
    assert "standby, or set to read only" in str(error)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        connection.execute(TERMINATE.encode())
    await store.add([a_call()])


# One that is refused


# What no index takes, since it is long and cannot be compressed: nothing but the server itself refuses it.
TOO_LONG = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=20_000))


async def test_one_bad_call_in_a_hundred_adds_fails_alone(store: TimedStore):
    good, bad = some_calls(99), a_call(queue=TOO_LONG)
    calls = [*good[:50], bad, *good[50:]]
    results = await asyncio.gather(*(store.add([call]) for call in calls), return_exceptions=True)
    failed = [call.id for call, result in zip(calls, results, strict=True) if isinstance(result, BaseException)]
    assert failed == [bad.id]
    assert isinstance(results[50], CannotStore)
    assert {task.id for task in await store.find(Search(), limit=EVERYTHING)} == set(ids_of(good))


async def test_one_outcome_in_a_hundred_that_the_server_refuses_is_settled_bare(store: TimedStore):
    worker = await sign_on(store)
    tasks = [await a_running_task(store, worker) for _ in range(100)]
    outcomes = [done(task.claim, result="1") for task in tasks]
    outcomes[40] = outcome(tasks[40].claim, Ending.DONE, calls=(a_call(queue=TOO_LONG),))
    settled = await asyncio.gather(*(store.settle([one]) for one in outcomes))
    assert [one.held for one in settled] == [[task.claim] for task in tasks]
    ended = [await the_task(store, task.id) for task in tasks]
    assert [number for number, task in enumerate(ended) if task.state is not State.DONE] == [40]
    assert "could not be stored" in str(ended[40].error)
    assert [task.returned for task in ended[:40]] == ["1"] * 40


async def test_one_bad_outcome_in_a_hundred_is_settled_bare(store: TimedStore):
    worker = await sign_on(store)
    tasks = [await a_running_task(store, worker) for _ in range(100)]
    outcomes = [done(task.claim, result="1") for task in tasks]
    outcomes[40] = outcome(tasks[40].claim, Ending.DONE, calls=(a_call(name="a\x00b"),))
    outcomes[60] = outcome(tasks[60].claim, Ending.DONE, calls=(a_call(due="never"),))
    settled = await store.settle(outcomes)
    assert len(settled.held) == 100
    states = [(await the_task(store, task.id)).state for task in tasks]
    assert [number for number, state in enumerate(states) if state is not State.DONE] == [40, 60]
