"""A server that is away, full, or answers nothing for a while: the store says so in time, and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
import redis

from afterwards.errors import StoreUnavailable, StoreUnusable
from afterwards.outcomes import Ending, done
from afterwards.schedules import Plan
from afterwards.stores import store_for
from afterwards.stores.redis.scripts import script
from afterwards.tasks import Call, Claim, Search, State, TaskId, Woken, WorkerId
from tests import older_redis, servers
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    LEASE,
    TimedStore,
    a_call,
    a_line,
    a_running_task,
    claim_all,
    end_all,
    ids_of,
    outcome,
    sign_on,
    some_calls,
    the_task,
)
from tests.stores.away import NOBODY, VERBS, a_tick, tried
from tests.stores.redis_builders import LONG_PATIENCE, PATIENCE, Passage, a_passage, a_store, another_connection, until

T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[servers.Server]:
    """One of the test's own, which it may kill; it loses nothing."""
    with servers.valkey(*servers.NOTHING_LOST) as server:
        yield server


@pytest.fixture
def passage(valkey_url: str) -> Iterator[Passage]:
    with a_passage(valkey_url) as passage:
        yield passage


@pytest.fixture
async def far_store(passage: Passage) -> AsyncIterator[TimedStore]:
    """A store behind a passage."""
    store = a_store(passage.url, add_timeout=timedelta(seconds=1.5))
    await store.open()
    yield store
    await store.close()


async def test_every_verb_says_that_the_server_is_away_and_works_when_it_is_back(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    server.kill()
    began = time.monotonic()
    errors = await asyncio.gather(*(tried(work(store)) for name, work in VERBS.items() if name != "receive"))
    assert {type(error) for error in errors} == {StoreUnavailable}
    assert time.monotonic() - began < PATIENCE.total_seconds() + 1
    await asyncio.to_thread(server.start)
    for name, work in VERBS.items():
        assert await tried(work(store)) is None, name
    await store.close()


async def test_an_add_waits_for_a_server_that_restarts_in_time(server: servers.Server):
    store = a_store(server.url, add_timeout=LONG_PATIENCE)
    await store.open()
    server.kill()
    adding = asyncio.ensure_future(store.add([call := a_call()]))
    await asyncio.to_thread(server.start)
    assert [one.id for one in await adding] == [call.id]
    assert ids_of(await store.find(Search(), limit=10)) == [call.id]
    await store.close()


async def test_a_server_that_has_long_been_away_is_not_waited_for_again(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    server.kill()
    refusals = 0
    async with asyncio.timeout(10 * PATIENCE.total_seconds()):
        while refusals < 3:  # one after the other, the first of them when it has been away for long enough
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="cannot be used now"):
                await store.add([a_call()])
            refusals = refusals + 1 if time.monotonic() - began < PATIENCE.total_seconds() / 2 else 0
    await store.close()


async def test_what_was_refused_while_it_was_away_never_runs(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    server.kill()
    with pytest.raises(StoreUnavailable):
        await store.add([a_call()])
    await asyncio.to_thread(server.start)
    await store.open()
    assert await store.find(Search(), limit=10) == []
    await store.close()


async def test_a_server_that_comes_back_without_its_data_is_begun_anew_under_the_same_name():
    with servers.valkey() as server:
        store = a_store(server.url, add_timeout=PATIENCE)
        await store.open()
        identity, worker = store.identity, await sign_on(store)
        await store.add([a_call()])
        server.kill()
        await asyncio.to_thread(server.start)
        await store.open()
        assert store.identity == identity
        assert (await store.renew(worker, lease=LEASE)).lost
        worker = await sign_on(store, "again")
        await store.add([call := a_call()])
        assert ids_of(await claim_all(store, worker)) == [call.id]
        await store.close()


async def test_a_waiter_hears_again_after_the_server_was_restarted(server: servers.Server):
    store, other = a_store(server.url, tag="heard"), a_store(server.url, tag="heard")
    await store.open()
    await sign_on(store)
    server.kill()
    await asyncio.to_thread(server.start)
    worker = await sign_on(store, "again")

    async def woken_within() -> float:
        waiting = asyncio.ensure_future(store.wait(worker, timeout=20, suspects=True))
        await asyncio.sleep(0.1)
        added = time.monotonic()
        [one] = await other.add([a_call()])
        assert await waiting is Woken.READY
        await store.cancel([one.id])
        return time.monotonic() - added

    took = [await woken_within() for _ in range(12)]
    assert min(took[4:]) < 0.1, f"the poll alone takes most of a second, but a notice came at no time: {took}"
    await store.close()
    await other.close()


# A connection whose other end is gone without a word


async def test_an_add_over_a_dead_connection_fails_in_time(passage: Passage):
    store = a_store(passage.url, add_timeout=PATIENCE)
    await store.open()
    passage.is_deaf = True
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="too long"):
        await store.add([a_call()])
    assert time.monotonic() - began < PATIENCE.total_seconds() + 0.3
    passage.is_deaf = False
    for _ in range(50):
        if await tried(store.add([a_call()])) is None:
            break
    else:
        pytest.fail("it does not come back")
    await store.close()


async def test_a_stopped_server_is_noticed_and_its_return_too(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            await store.add([a_call()])
        with pytest.raises(StoreUnavailable):
            await store.renew(NOBODY, lease=LEASE)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    for _ in range(50):
        if await tried(store.add([a_call()])) is None:
            break
    else:
        pytest.fail("it does not come back")
    await store.close()


# Answers that were lost: what was asked has been done


def losing(passage: Passage, name: str) -> None:
    passage.loses_answers_to = script(name).sha.encode()


async def lost_once(passage: Passage, work: Awaitable[T]) -> T:
    """Let one answer be lost, and pass the next."""
    doing, lost = asyncio.ensure_future(work), passage.lost
    while passage.lost == lost:
        await asyncio.sleep(0.005)
    passage.loses_answers_to = None
    return await doing


async def warmed(store: TimedStore) -> WorkerId:
    """The server has seen all scripts, so that one round trip is one answer."""
    worker = await sign_on(store, "warm")
    await store.add([a_call()])
    for task in await claim_all(store, worker):
        await store.settle([done(task.claim)], claimed_by=worker)
    return worker


async def test_an_add_whose_answer_was_lost_is_stored_once(passage: Passage, far_store: TimedStore):
    await warmed(far_store)
    losing(passage, "add")
    call = a_call()
    added = await lost_once(passage, far_store.add([call]))
    assert [one.id for one in added] == [call.id]
    waiting = await far_store.find(Search(state=State.WAITING), limit=10)
    assert ids_of(waiting) == [call.id]


async def test_an_adder_gets_what_it_claimed_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    losing(passage, "add")
    line = a_line(2)
    first, second = await lost_once(passage, far_store.add(line, claimed_by=worker))
    assert first.claimed is not None
    assert (first.claimed.id, first.claimed.run, second.claimed) == (line[0].id, 1, None)
    assert (await far_store.settle([done(first.claimed.claim)])).held == [first.claimed.claim]


async def test_a_worker_gets_what_it_claimed_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    await far_store.add(calls := some_calls(3))
    losing(passage, "claim")
    tasks = await lost_once(passage, claim_all(far_store, worker, limit=2))
    assert ids_of(tasks) == ids_of(calls[:2])
    assert [task.run for task in tasks] == [1, 1]


async def test_a_settler_is_told_the_same_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    line = a_line(2)
    [head, _] = await far_store.add(line, claimed_by=worker)
    assert head.claimed is not None
    losing(passage, "settle")
    settled = await lost_once(passage, far_store.settle([done(head.claimed.claim)], claimed_by=worker))
    assert settled.held == [head.claimed.claim]
    assert ids_of(settled.claimed) == [line[1].id]


@pytest.mark.parametrize("verb", ["cancel", "retry", "delete"])
async def test_steering_whose_answer_was_lost_tells_what_changed(passage: Passage, far_store: TimedStore, verb: str):
    await warmed(far_store)
    await far_store.add([call := a_call()])
    if verb != "cancel":
        await far_store.cancel([call.id])
    await getattr(far_store, verb)([])
    losing(passage, verb)
    assert await lost_once(passage, getattr(far_store, verb)([call.id])) == [call.id]


async def test_a_rescuer_gets_what_it_returned_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    tasks = [await a_running_task(far_store, worker) for _ in range(2)]
    losing(passage, "rescue")
    rescued = await lost_once(passage, far_store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING))
    assert [(task.id, task.state, task.crashes) for task in rescued] == [(task.id, State.WAITING, 1) for task in tasks]


async def test_a_mover_is_told_what_it_deleted_although_the_answer_was_lost(passage: Passage, far_store: TimedStore):
    await warmed(far_store)
    await far_store.add(calls := some_calls(2))
    losing(passage, "forget")
    assert await lost_once(passage, far_store.forget(ids_of(calls))) == ids_of(calls)


async def test_a_tick_whose_answer_was_lost_is_made_once_and_told(passage: Passage, far_store: TimedStore):
    await far_store.plan([Plan(name="sweep", function="a:f", line="* * * * * UTC")], starting=True)
    agenda = await far_store.agenda()
    [schedule] = agenda.schedules
    tick = replace(a_tick(), after=schedule.last, to=agenda.now)
    losing(passage, "tick")
    assert await lost_once(passage, far_store.tick([tick])) == [call.id for call in tick.calls]
    assert await far_store.tick([replace(tick, calls=(a_call(),))]) == []
    assert len(await far_store.find(Search(), limit=10)) == 1


async def given_up(passage: Passage, work: Awaitable[object], name: str) -> None:
    """Let every answer be lost until the caller has given up."""
    losing(passage, name)
    with pytest.raises(StoreUnavailable):
        await work
    passage.loses_answers_to = None


async def test_what_was_claimed_for_a_caller_who_gave_up_is_told_to_the_next_claim(
    passage: Passage, far_store: TimedStore
):
    worker = await warmed(far_store)
    await far_store.add([call := a_call()])
    await given_up(passage, claim_all(far_store, worker), "claim")
    assert (await the_task(far_store, call.id)).state is State.RUNNING
    [task] = await claim_all(far_store, worker)
    assert (task.id, task.run) == (call.id, 1)
    assert await claim_all(far_store, worker) == [], "once"


async def test_what_an_adder_claimed_who_gave_up_is_told_to_its_next_claim(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    call = a_call()
    await given_up(passage, far_store.add([call], claimed_by=worker), "add")
    assert ids_of(await claim_all(far_store, worker)) == [call.id]


async def test_a_settler_who_gave_up_and_tries_again_is_told_that_it_held(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    line = a_line(2)
    [head, _] = await far_store.add(line, claimed_by=worker)
    assert head.claimed is not None
    outcomes = [done(head.claimed.claim)]
    await given_up(passage, far_store.settle(outcomes, claimed_by=worker), "settle")
    settled = await far_store.settle(outcomes, claimed_by=worker)
    assert settled.held == [head.claimed.claim]
    assert ids_of(settled.claimed) == [line[1].id]
    assert (await far_store.settle(outcomes)).held == [], "a third time is a stranger"


async def test_a_run_that_ended_otherwise_is_not_taken_for_the_lost_one(passage: Passage, far_store: TimedStore):
    worker = await warmed(far_store)
    task = await a_running_task(far_store, worker)
    await far_store.rescue(known_dead=[worker], expired=False, limit=EVERYTHING)
    losing(passage, "settle")
    settled = await lost_once(passage, far_store.settle([outcome(task.claim, Ending.DONE)]))
    assert settled.held == []


# Servers that answer, and refuse


@contextlib.contextmanager
def full_memory(server: servers.Server) -> Iterator[None]:
    with another_connection(server.url) as connection:
        connection.config_set("maxmemory", "1")
        yield
        connection.config_set("maxmemory", "0")


@pytest.fixture(params=["valkey", "redis-7"])
def any_server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """One of the test's own, of either kind."""
    with servers.valkey() if request.param == "valkey" else servers.redis_like(older_redis.program()) as server:
        yield server


async def test_a_full_memory_refuses_adds_whole(any_server: servers.Server):
    store = a_store(any_server.url, add_timeout=PATIENCE)
    worker = await sign_on(store)
    task = await a_running_task(store, worker)
    with full_memory(any_server):
        with pytest.raises(StoreUnavailable, match="memory is full"):
            await store.add(a_line(3))
        with pytest.raises(StoreUnavailable, match="memory is full"):
            await store.settle([outcome(task.claim, Ending.DONE, calls=(a_call(),))])
    assert ids_of(await store.find(Search(), limit=10)) == [task.id], "nothing half written"
    assert (await store.settle([outcome(task.claim, Ending.DONE, calls=(a_call(),))])).held == [task.claim]
    assert len(await store.find(Search(), limit=10)) == 2
    await store.close()


async def test_what_is_stored_already_goes_on_while_the_memory_is_full(any_server: servers.Server):
    store = a_store(any_server.url, add_timeout=PATIENCE)
    worker, casualty = await sign_on(store), await sign_on(store, "casualty")
    await a_running_task(store, casualty)
    ended, cancelled = await a_running_task(store, worker), a_call(delay=HOUR)
    await store.add([*a_line(2), cancelled])
    with full_memory(any_server):
        assert not (await store.renew(worker, lease=LEASE)).lost
        newcomer = await sign_on(store, "newcomer")
        assert (await store.settle([done(ended.claim, result='"r"')])).held == [ended.claim]
        assert await store.cancel([cancelled.id]) == [cancelled.id]
        assert len(await store.rescue(known_dead=[casualty], expired=False, limit=EVERYTHING)) == 1
        while tasks := await claim_all(store, newcomer):
            await end_all(store, tasks)
        await store.sign_off(newcomer)
        assert (await store.census()).by_state[State.DONE] == 4
        assert await store.delete([ended.id]) == [ended.id]
        assert await store.prune(older_than=timedelta(0), limit=10) == 4
    await store.close()


async def test_a_store_whose_data_are_flushed_away_is_begun_anew_under_the_same_name(server: servers.Server):
    store = a_store(server.url, tag="flushed", add_timeout=LONG_PATIENCE)
    await store.open()
    worker, identity = await sign_on(store), store.identity
    await store.add([a_call()])
    with another_connection(server.url) as connection:
        connection.flushall()
    await store.add([call := a_call()])
    newcomer = a_store(server.url, tag="flushed")
    await newcomer.open()
    assert newcomer.identity == identity
    assert (await store.renew(worker, lease=LEASE)).lost
    assert ids_of(await claim_all(newcomer, await sign_on(store, "again"))) == [call.id]
    await store.close()
    await newcomer.close()


@pytest.mark.parametrize("kind", ["string", "list"])
async def test_keys_of_another_program_are_left_as_they_are(server: servers.Server, kind: str):
    with another_connection(server.url) as connection:
        connection.rpush("{mine}:waiting", "a") if kind == "list" else connection.set("{mine}:waiting", "a")
        store = a_store(server.url, add_timeout=PATIENCE, tag="mine")
        with pytest.raises(StoreUnusable, match="tag"):
            await store.add([a_call()])
        assert connection.keys("*") == [b"{mine}:waiting"], "nothing is half written"
    await store.close()


async def test_scripts_that_the_server_forgets_are_given_to_it_again(server: servers.Server):
    store = a_store(server.url, add_timeout=LONG_PATIENCE)
    worker = await sign_on(store)
    with another_connection(server.url) as connection:
        for _ in range(3):
            connection.script_flush()
            await end_all(store, [await a_running_task(store, worker)])
    assert (await store.census()).by_state[State.DONE] == 3
    await store.close()


async def test_a_user_who_may_not_load_scripts_is_a_wrong_set_up(server: servers.Server):
    with another_connection(server.url) as connection:
        connection.execute_command("ACL", "SETUSER", "few", "on", ">few", "~*", "&*", "+@all", "-script")
    store = store_for(server.url.replace("redis://", "redis://few:few@"), add_timeout=PATIENCE)
    with pytest.raises(StoreUnusable, match="this user may not"):
        await store.open()
    await store.close()


async def test_nothing_is_lost_or_done_twice_when_all_connections_are_killed_again_and_again(server: servers.Server):
    store = a_store(server.url, add_timeout=LONG_PATIENCE)
    worker = await sign_on(store)
    calls = some_calls(300)
    added: list[TaskId] = []
    settled: list[Claim] = []
    kills = 0

    async def kill() -> None:
        nonlocal kills
        with another_connection(server.url) as connection:
            while len(settled) < len(calls):
                connection.client_kill_filter(_type="normal", skipme=True)
                connection.client_kill_filter(_type="pubsub")
                kills += 1
                seen = len(added) + len(settled)
                while seen + 5 > len(added) + len(settled) and len(settled) < len(calls):
                    await asyncio.sleep(0.001)

    async def add(some: Sequence[Call]) -> None:
        for call in some:
            added.extend(one.id for one in await store.add([call]))

    async def work() -> None:
        while len(settled) < len(calls):
            tasks = await store.claim(worker, limit=10, suspects=True)
            settled.extend((await store.settle([done(task.claim) for task in tasks])).held)

    async with asyncio.TaskGroup() as group:
        for part in range(3):
            group.create_task(add(calls[part::3]))
        group.create_task(work())
        group.create_task(kill())
    assert sorted(claim.id for claim in settled) == sorted(ids_of(calls))
    assert {claim.run for claim in settled} == {1}
    assert kills > 10
    await store.close()


async def test_a_server_that_is_paused_is_noticed_and_its_return_too(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    with another_connection(server.url) as connection:
        connection.client_pause(60_000, all=False)  # all that may write, as at a failover by hand
        with pytest.raises(StoreUnavailable):
            await store.add([a_call()])
        connection.client_unpause()
    while await tried(store.add([call := a_call()])) is not None:
        pass
    assert call.id in ids_of(await store.find(Search(), limit=10))
    await store.close()


async def test_a_replica_is_no_place_to_write(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    with another_connection(server.url) as connection:
        connection.replicaof("127.0.0.1", servers.free_port())
        with pytest.raises(StoreUnavailable, match="replica"):
            await store.add([a_call()])
        connection.replicaof("NO", "ONE")
    await store.add([a_call()])
    await store.close()


async def test_a_script_of_somebody_elses_that_never_ends_makes_it_unavailable(server: servers.Server):
    store = a_store(server.url, add_timeout=PATIENCE)
    await store.open()
    with another_connection(server.url) as connection, another_connection(server.url) as killer:
        connection.config_set("busy-reply-threshold", "50")
        running = asyncio.ensure_future(asyncio.to_thread(tried_script, connection))
        await asyncio.to_thread(until, lambda: is_busy(killer), "the script keeps it busy")
        with pytest.raises(StoreUnavailable, match="busy"):
            await store.add([a_call()])
        killer.script_kill()
        await running
    await store.add([a_call()])
    await store.close()


def is_busy(connection: redis.Redis) -> bool:
    try:
        connection.ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False


def tried_script(connection: redis.Redis) -> None:
    with pytest.raises(redis.RedisError):
        connection.eval("while true do end", 0)


# What no waiting cures


async def test_a_missing_or_wrong_password_is_a_wrong_set_up_and_is_never_told():
    with servers.valkey("--requirepass", "right") as server:
        for login in ("", ":wr0ng@", "ann:wr0ng@"):
            url = server.url.replace("redis://", f"redis://{login}")
            store = store_for(url, add_timeout=PATIENCE)
            with pytest.raises(StoreUnusable, match="password") as refused:
                await store.open()
            assert "wr0ng" not in str(refused.value)
            await store.close()
        good = store_for(server.url.replace("redis://", "redis://:right@"), add_timeout=PATIENCE)
        await good.open()
        await good.close()


async def test_a_database_that_does_not_exist_is_a_wrong_set_up(valkey_url: str):
    store = store_for(f"{valkey_url[: valkey_url.rindex('/')]}/99", add_timeout=PATIENCE)
    with pytest.raises(StoreUnusable, match="DB index"):
        await store.open()
    await store.close()


async def test_keys_that_are_somebody_elses_are_a_wrong_set_up(server: servers.Server):
    with another_connection(server.url) as connection:
        connection.set("{mine}:meta", "something")
    store = a_store(server.url, add_timeout=PATIENCE, tag="mine")
    with pytest.raises(StoreUnusable, match="tag"):
        await store.open()
    await store.close()


async def test_a_store_of_a_newer_version_is_refused_only_if_that_says_so(valkey_url: str):
    store = a_store(valkey_url, tag="newer")
    await store.open()
    with another_connection(valkey_url) as connection:
        connection.hset("{newer}:meta", "schema:2", "1")
        await store.open()
        another = a_store(valkey_url, tag="newer")
        await another.open()
        await another.close()
        connection.hset("{newer}:meta", "schema:3", "2")
        another = a_store(valkey_url, tag="newer")
        with pytest.raises(StoreUnusable, match=r"version 3.*upgrade"):
            await another.open()
        await another.close()
        connection.delete("{newer}:meta")
    await store.close()
