"""What is true of the Redis store alone: its keys, its history, its durability, its memory of what it promised."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from afterwards.checkup import Level
from afterwards.errors import CannotStore, StoreUnavailable, StoreUnusable
from afterwards.outcomes import Ending, done
from afterwards.stores import examine, store_for
from afterwards.stores.redis.scripts import keys
from afterwards.tasks import Failure, Search, State, WorkerId
from tests import servers
from tests.contract.builders import (
    HOUR,
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
from tests.stores.redis_builders import a_store, another_connection

SURROGATE, NUL = "half \ud83c", "nul \x00"


@pytest.fixture
def server() -> Iterator[servers.Server]:
    """One of the test's own, which keeps nothing."""
    with servers.valkey() as server:
        yield server


# Keys


async def test_a_store_uses_keys_of_its_tag_only_and_none_that_it_does_not_name(server: servers.Server):
    store = a_store(server.url, tag="shop")
    worker = await sign_on(store)
    await store.add([*a_line(3), a_call(delay=HOUR)])
    for task in await claim_all(store, worker):
        await store.settle([outcome(task.claim, Ending.FAILED, result="1")])
    await store.pause("mail", paused=True)
    unknown = await a_running_task(store, worker, name="a:f")
    await store.settle([outcome(unknown.claim, Ending.UNKNOWN)])
    await a_running_task(store, worker, queue="other")
    with another_connection(server.url) as connection:
        used = {key.decode() for key in connection.scan_iter()}
    assert used <= set(keys("shop"))
    assert len(used) > 10
    await store.close()


async def test_two_stores_on_one_server_know_nothing_of_each_other(server: servers.Server):
    one, other = a_store(server.url, tag="one"), a_store(server.url, tag="other")
    await one.add([call := a_call()])
    await other.add([])
    assert one.identity != other.identity
    assert await other.find(Search(), limit=10) == []
    assert ids_of(await one.find(Search(), limit=10)) == [call.id]
    await one.close()
    await other.close()


async def test_nothing_is_left_of_tasks_that_were_pruned_or_deleted(server: servers.Server):
    store = a_store(server.url, tag="shop")
    worker = await sign_on(store)
    line = a_line(3)
    await store.add(line)
    while tasks := await claim_all(store, worker):
        await store.settle([outcome(task.claim, Ending.FAILED, result='"r"') for task in tasks])
    store.clock_offset += HOUR
    assert await store.delete([line[1].id]) == [line[1].id]
    assert await store.prune(older_than=timedelta(0), limit=10) == 2
    await store.sign_off(worker)
    with another_connection(server.url) as connection:
        left = {key.decode() for key in connection.scan_iter()}
        assert left == {"{shop}:meta", "{shop}:lines"}
        assert connection.hget("{shop}:meta", "ended_bytes") == b"0"
    await store.close()


# History


async def test_the_oldest_ended_tasks_go_when_there_are_too_many(valkey_url: str):
    store = a_store(valkey_url, history=5)
    worker = await sign_on(store)
    calls = some_calls(12)
    await store.add([*calls, waiting := a_call(delay=HOUR)])
    for _ in range(4):
        await end_all(store, await claim_all(store, worker, limit=3))
        store.clock_offset += timedelta(seconds=1)
    kept = await store.find(Search(state=State.DONE), limit=100)
    assert set(ids_of(kept)) == {call.id for call in calls[-5:]}
    assert (await the_task(store, waiting.id)).state is State.WAITING
    await store.close()


async def test_the_oldest_ended_tasks_go_when_they_are_too_large(valkey_url: str):
    store = a_store(valkey_url, history_bytes=100_000)
    worker = await sign_on(store)
    large = '"' + "x" * 30_000 + '"'
    for _ in range(6):
        await end_all(store, [await a_running_task(store, worker, arguments=large)])
        store.clock_offset += timedelta(seconds=1)
    assert len(await store.find(Search(), limit=100)) == 3
    await store.close()


async def test_without_history_ended_tasks_are_gone_at_once(valkey_url: str):
    store = a_store(valkey_url, history=0)
    worker = await sign_on(store)
    line = a_line(2)
    await store.add(line)
    [head] = await claim_all(store, worker)
    await end_all(store, [head])
    assert ids_of(await claim_all(store, worker)) == [line[1].id], "its follower is freed all the same"
    assert ids_of(await store.find(Search(), limit=10)) == [line[1].id]
    await store.close()


# Durability


def of(level: Level, url: str) -> set[str]:
    return {finding.subject for finding in examine(url).findings if finding.level is level}


async def test_a_server_without_a_log_is_warned_of(server: servers.Server):
    store = store_for(server.url)
    await store.open()
    [warning] = store.warnings()
    assert "appendonly yes" in warning
    await store.close()
    assert of(Level.WRONG, server.url) == {"durability"}


@pytest.mark.parametrize(("sync", "window"), [("everysec", "up to 1 s"), ("no", "half a minute"), ("always", None)])
async def test_the_loss_window_is_told(sync: str, window: str | None):
    with servers.valkey("--appendonly", "yes", "--appendfsync", sync) as server:
        store = store_for(server.url)
        await store.open()
        says = [finding.says for finding in examine(server.url).findings if finding.subject == "durability"]
        if window is None:
            assert store.warnings() == []
            assert says == ["what is acknowledged is on the server's disk"]
        else:
            assert window in store.warnings()[0]
            assert window in says[0]
        await store.close()


async def test_durability_by_fsync_closes_the_window():
    with servers.valkey("--appendonly", "yes", "--appendfsync", "everysec") as server:
        store = a_store(server.url, add_timeout=timedelta(seconds=5), durability="fsync")
        await store.open()
        assert store.warnings() == []
        calls = some_calls(20)
        await asyncio.gather(*(store.add([call]) for call in calls))
        await store.add(calls[:1])  # again, which writes nothing
        assert await store.cancel([calls[0].id]) == [calls[0].id]
        with another_connection(server.url) as connection:
            waited = connection.info("commandstats")["cmdstat_waitaof"]["calls"]
        assert waited >= 3
        await store.close()


async def test_claims_do_not_wait_for_adds_that_wait_for_the_disk():
    with servers.valkey("--appendonly", "yes", "--appendfsync", "everysec") as server:
        store = a_store(server.url, add_timeout=timedelta(seconds=5), durability="fsync")
        worker = await sign_on(store)
        await store.add([a_call()])
        adding = asyncio.ensure_future(store.add([a_call()]))
        claimed = 0
        while not adding.done():
            claimed += len(await store.claim(worker, limit=1, suspects=True))
            claims = await store.claim(worker, limit=1, suspects=True)
            claimed += len(claims)
        assert claimed == 2, "also what is on its way to the disk"
        await store.close()


async def test_durability_by_fsync_is_refused_where_the_log_is_left_to_the_system():
    with servers.valkey("--appendonly", "yes", "--appendfsync", "no") as server:
        store = a_store(server.url, durability="fsync")
        with pytest.raises(StoreUnusable, match="appendfsync everysec"):
            await store.open()
        await store.close()


async def test_durability_by_fsync_needs_a_log(server: servers.Server):
    store = a_store(server.url, durability="fsync")
    with pytest.raises(StoreUnusable, match="set appendonly yes"):
        await store.open()
    await store.close()


async def test_durability_by_fsync_is_refused_by_an_older_server(older_redis_url: str):
    store = a_store(older_redis_url, durability="fsync")
    with pytest.raises(StoreUnusable, match=r"7\.0.*needs Redis 7.2"):
        await store.open()
    await store.close()
    assert "server" in of(Level.WRONG, f"{older_redis_url}?durability=fsync")


async def test_what_is_not_confirmed_by_replicas_is_not_acknowledged(valkey_url: str):
    store = a_store(valkey_url, add_timeout=timedelta(seconds=3), replicas=1)
    with pytest.raises(StoreUnavailable, match=r"0 of 1 replicas"):
        await store.add([a_call()])
    await store.close()


async def test_a_server_that_evicts_is_warned_of(server: servers.Server):
    with another_connection(server.url) as connection:
        connection.config_set("maxmemory-policy", "allkeys-lru")
    store = store_for(server.url)
    await store.open()
    assert any("noeviction" in warning for warning in store.warnings())
    await store.close()
    assert "memory" in of(Level.WRONG, server.url)


async def test_a_check_makes_nothing(server: servers.Server):
    checkup = examine(server.url)
    assert not checkup.exists
    assert not checkup.unreadable
    with another_connection(server.url) as connection:
        assert connection.dbsize() == 0


async def test_a_check_tells_version_memory_and_schema(valkey_url: str):
    store = a_store(valkey_url, tag="checked")
    await store.open()
    checkup = examine(f"{valkey_url}?tag=checked")
    assert checkup.exists
    assert {finding.subject: finding.level for finding in checkup.findings} == {
        "server": Level.WELL,
        "memory": Level.WELL,
        "durability": Level.WELL,
        "schema": Level.WELL,
    }
    await store.close()


def test_a_check_of_a_server_that_is_away_says_so():
    checkup = examine(f"redis://:secret@127.0.0.1:{servers.free_port()}")
    assert "cannot be used now" in checkup.unreadable
    assert "secret" not in checkup.unreadable


async def test_a_user_who_may_do_what_the_docs_list_can_do_all(server: servers.Server):
    with another_connection(server.url) as connection:
        connection.execute_command("ACL", "SETUSER", "tasks", "on", ">right", *rules_in_the_docs("shop"))
    url = server.url.replace("redis://", "redis://tasks:right@")
    store, stranger = a_store(url, tag="shop"), a_store(url, add_timeout=timedelta(seconds=2), tag="other")
    worker = await sign_on(store)
    await store.add(some_calls(2), claimed_by=worker)
    await store.census()
    assert [warning for warning in store.warnings() if "INFO" in warning] == []
    assert "server" not in of(Level.WRONG, f"{url}?tag=shop")
    with pytest.raises(StoreUnusable, match="allowed"):
        await stranger.open()
    await store.close()
    await stranger.close()


def rules_in_the_docs(tag: str) -> list[str]:
    page = (Path(__file__).parents[2] / "docs" / "stores" / "redis.md").read_text(encoding="utf-8")
    [rules] = re.findall(r"^ACL SETUSER tasks on >secret (.+)$", page, re.MULTILINE)
    return rules.replace("{afterwards}", f"{{{tag}}}").split()


# One bad row


@pytest.mark.parametrize(
    "bad",
    [{"name": SURROGATE}, {"arguments": f'"{NUL}"'}, {"queue": NUL}, {"priority": 10**30}, {"crashes": -1}],
    ids=repr,
)
async def test_one_bad_add_of_a_hundred_fails_alone(valkey_url: str, bad: dict[str, object]):
    store = a_store(valkey_url)
    calls = [a_call() for _ in range(99)]
    calls.insert(50, a_call(**bad))
    results = await asyncio.gather(*(store.add([call]) for call in calls), return_exceptions=True)
    assert [type(result) for number, result in enumerate(results) if number == 50] == [CannotStore]
    assert len(await store.find(Search(), limit=1000)) == 99
    await store.close()


async def test_one_bad_settlement_of_a_hundred_fails_alone(valkey_url: str):
    store = a_store(valkey_url)
    worker = await sign_on(store)
    await store.add(some_calls(100))
    tasks = await claim_all(store, worker)
    outcomes = [done(task.claim, result="1") for task in tasks]
    outcomes[10] = done(tasks[10].claim, result=f'"{NUL}"')
    outcomes[20] = outcome(tasks[20].claim, Ending.FAILED, error=Failure(kind="E", message=SURROGATE + NUL))
    outcomes[30] = outcome(tasks[30].claim, Ending.DONE, calls=(a_call(), a_call(priority=99)))
    outcomes[40] = done(tasks[40].claim, took=timedelta.max)
    settled = await store.settle(outcomes)
    assert len(settled.held) == 100
    assert (await store.census()).by_state == {
        State.WAITING: 0,
        State.RUNNING: 0,
        State.DONE: 98,
        State.FAILED: 2,
        State.CANCELLED: 0,
    }
    assert "could not be stored" in str((await the_task(store, tasks[30].id)).error)
    await store.close()


async def test_a_name_of_a_worker_or_queue_that_no_server_takes_fails_alone(valkey_url: str):
    store = a_store(valkey_url)
    results = await asyncio.gather(
        store.add([a_call()]), store.pause(SURROGATE, paused=True), store.add([a_call()]), return_exceptions=True
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert len(await store.find(Search(), limit=10)) == 2
    await store.close()


# Many at once


async def test_adds_that_come_together_are_written_together(server: servers.Server):
    store = a_store(server.url)
    await store.add([a_call()])
    with another_connection(server.url) as connection:
        connection.config_resetstat()
        await asyncio.gather(*(store.add([a_call()]) for _ in range(500)))
        assert connection.info("commandstats")["cmdstat_evalsha"]["calls"] < 250
    await store.close()


async def test_steering_of_many_is_done_in_several_scripts(server: servers.Server):
    store = a_store(server.url)
    ids = ids_of(calls := some_calls(2_500))
    await store.add(calls)
    assert await store.cancel(ids) == ids
    assert await store.retry(ids) == ids
    await store.close()


async def test_more_than_one_script_can_take_is_refused_in_words(valkey_url: str):
    store = a_store(valkey_url)
    with pytest.raises(CannotStore, match="at most 20000"):
        await store.add([a_call()] * 20_001)
    await store.close()


async def test_pruning_of_many_is_done_in_several_scripts(server: servers.Server):
    store = a_store(server.url)
    calls = some_calls(2_500)
    await store.add(calls)
    await store.cancel(ids_of(calls))
    store.clock_offset += HOUR
    assert await store.prune(older_than=timedelta(0), limit=2_100) == 2_100
    with another_connection(server.url) as connection:
        connection.config_resetstat()
        assert await store.prune(older_than=timedelta(0), limit=1_000_000) == 400
        assert connection.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
    await store.close()


async def test_adds_that_weigh_much_are_not_written_together(server: servers.Server):
    store = a_store(server.url)
    await store.open()
    large = '"' + "x" * (1 << 20) + '"'
    with another_connection(server.url) as connection:
        connection.config_set("client-query-buffer-limit", str(32 << 20))
        await asyncio.gather(*(store.add([a_call(arguments=large)]) for _ in range(60)))
        assert connection.info("commandstats")["cmdstat_evalsha"]["calls"] >= 4
    assert len(await store.find(Search(), limit=100)) == 60
    await store.close()


async def test_the_best_of_many_lines_are_claimed_in_their_order(valkey_url: str):
    store = a_store(valkey_url)
    worker = await sign_on(store)
    calls = [a_call(queue=f"queue {number % 50}", priority=number % 7) for number in range(200)]
    await store.add(calls)
    best_first = sorted(calls, key=lambda call: -call.priority)
    for start in range(0, 200, 40):
        assert ids_of(await claim_all(store, worker, limit=40)) == ids_of(best_first[start : start + 40])
    await store.close()


async def test_a_lease_that_never_ends_is_told_as_the_last_of_days(valkey_url: str):
    store = a_store(valkey_url)
    await sign_on(store, lease=timedelta.max)
    [worker] = await store.workers()
    assert worker.expires.year == 9999
    await store.close()


# Nothing is scanned past


async def reads(connection: redis.Redis, store: TimedStore, worker: WorkerId) -> int:
    """How many commands the scripts of one claim call."""
    connection.config_resetstat()
    await store.claim(worker, limit=5, suspects=True)
    return sum(one["calls"] for one in connection.info("commandstats").values())


async def test_backlogs_that_do_not_concern_a_claim_cost_it_nothing(server: servers.Server):
    store = a_store(server.url)
    worker = await sign_on(store, queues=("default",))
    await store.add(some_calls(30))
    with another_connection(server.url) as connection:
        few = await reads(connection, store, worker)
        await store.add(some_calls(3_000, delay=HOUR, priority=9))
        await store.add(some_calls(3_000, queue="other"))
        await store.pause("paused", paused=True)
        await store.add(some_calls(1_000, queue="paused"))
        head = a_call(delay=HOUR)
        await store.add([head, *(a_call(after=head.id) for _ in range(1_000))])
        many = await reads(connection, store, worker)
    assert many - few < 30, f"{few} commands at first, {many} beside 8,000 tasks that are not to be claimed"
    await store.close()


async def test_names_that_a_worker_does_not_know_are_passed_over_as_a_whole(server: servers.Server):
    store = a_store(server.url)
    worker = await sign_on(store)
    await store.add(some_calls(5_000, name="tests:strange"))
    await store.add([known := a_call()])
    with another_connection(server.url) as connection:
        connection.config_resetstat()
        assert ids_of(await store.claim(worker, limit=5, suspects=True, unknown=["tests:strange"])) == [known.id]
        assert sum(one["calls"] for one in connection.info("commandstats").values()) < 60
    await store.close()


async def test_a_search_reads_its_page_and_no_more(server: servers.Server):
    store = a_store(server.url)
    rare = a_call(queue="rare", name="tests:rare")
    await store.add([rare])
    await store.add(some_calls(5_000))
    with another_connection(server.url) as connection:
        connection.config_resetstat()
        assert ids_of(await store.find(Search(queue="rare", name="tests:rare"), limit=10)) == [rare.id]
        assert sum(one["calls"] for one in connection.info("commandstats").values()) < 40
    await store.close()


async def test_long_pages_are_read_in_several_scripts(valkey_url: str):
    store = a_store(valkey_url)
    calls = some_calls(1_000)
    await store.add(calls)
    assert ids_of(await store.find(Search(), limit=950)) == ids_of(calls)[::-1][:950]
    await store.close()


# Processes and threads


async def test_a_forked_child_and_its_parent_both_go_on(valkey_url: str):
    store = a_store(valkey_url, add_timeout=timedelta(seconds=10))
    await store.add([a_call()])
    identity = store.identity
    reading, writing = os.pipe()
    pid = await asyncio.to_thread(forked, store, writing)
    os.close(writing)
    for _ in range(20):
        await store.add([a_call()])
    with os.fdopen(reading) as told:
        assert await asyncio.to_thread(told.read) == f"{identity} 20"
    await asyncio.to_thread(os.waitpid, pid, 0)
    assert len(await store.find(Search(), limit=100)) == 41
    await store.close()


def forked(store: TimedStore, writing: int) -> int:
    """A child of a process with threads, which adds for itself."""
    pid = os.fork()
    if pid:
        return pid
    try:
        added = asyncio.run(add_some(store, 20))
        os.write(writing, f"{store.identity} {added}".encode())
    finally:
        os._exit(0)


async def add_some(store: TimedStore, count: int) -> int:
    return len([await store.add([a_call()]) for _ in range(count)])


async def test_a_closed_store_leaves_no_thread_behind(valkey_url: str):
    before = set(threading.enumerate())
    store = a_store(valkey_url)
    worker = await sign_on(store)
    await store.wait(worker, timeout=0, suspects=True)
    await store.find(Search(), limit=1)
    ours = set(threading.enumerate()) - before
    assert len(ours) >= 4
    await store.close()
    async with asyncio.timeout(5):
        while any(thread.is_alive() for thread in ours):
            await asyncio.sleep(0.02)


async def test_closing_does_not_wait_for_a_server_that_is_away(server: servers.Server):
    store = a_store(server.url, add_timeout=timedelta(seconds=30))
    await store.open()
    server.kill()
    adding = asyncio.ensure_future(store.add([a_call()]))
    await asyncio.sleep(0)  # it begins
    async with asyncio.timeout(10):
        await store.close()
        with pytest.raises(StoreUnavailable, match="cannot be used now"):
            await adding
