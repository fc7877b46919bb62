"""Chains and groups in Redis: what they cost, what is kept of them, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from afterwards.outcomes import Ending, done
from afterwards.tasks import Call, Claim, Search, State, Task, WorkerId
from afterwards.turns import unmet
from tests import older_redis, servers
from tests.contract.builders import (
    EVERYTHING,
    HOUR,
    SECOND,
    TimedStore,
    a_call,
    a_chain,
    a_group,
    claim_all,
    end_all,
    ids_of,
    linked,
    sign_on,
    some_calls,
    the_task,
)
from tests.contract.test_chains import end, states_of
from tests.stores.redis_builders import a_passage, a_store, another_connection
from tests.stores.test_redis_away import full_memory, losing, lost_once, warmed

COUNTING = ("config|resetstat", "info")  # commands of the test's own


@pytest.fixture
def server() -> Iterator[servers.Server]:
    """One of the test's own, which keeps nothing."""
    with servers.valkey() as server:
        yield server


class Counter:
    """Counts what scripts call."""

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self.start()

    def start(self) -> None:
        self._connection.config_resetstat()

    @property
    def commands(self) -> int:
        """Of all scripts since the start."""
        stats = self._connection.info("commandstats")
        return sum(one["calls"] for name, one in stats.items() if name.removeprefix("cmdstat_") not in COUNTING)


async def ended_one_by_one(store: TimedStore, members: list[Task], counter: Counter) -> list[int]:
    """The commands of each settlement."""
    costs = list[int]()
    for member in members:
        counter.start()
        await end_all(store, [member])
        costs.append(counter.commands)
    return costs


# What is read


@pytest.mark.parametrize("in_order", [list[Task], lambda tasks: tasks[::-1], lambda tasks: tasks[1::2] + tasks[::2]])
async def test_a_group_that_ends_one_after_another_is_read_twice(
    server: servers.Server, in_order: Callable[[list[Task]], list[Task]]
):
    store = a_store(server.url)
    worker = await sign_on(store)
    await store.add(group := a_group(400))
    members = in_order(await claim_all(store, worker))
    with another_connection(server.url) as connection:
        costs = await ended_one_by_one(store, members, Counter(connection))
    assert max(costs[:-1]) < 60, "no settlement but the last looks at the whole group"
    assert max(costs) < 500
    assert sum(costs) < 400 * 32
    assert ids_of(await claim_all(store, worker)) == [group[-1].id]
    await store.close()


async def test_a_group_that_follows_a_group_is_decided_by_one_look(server: servers.Server):
    store = a_store(server.url)
    worker = await sign_on(store)
    count = 150
    await store.add(calls := linked(some_calls(2 * count), [*[[]] * count, *[range(count)] * count]))
    members = await claim_all(store, worker)
    await end_all(store, members[:-1])
    with another_connection(server.url) as connection:
        [cost] = await ended_one_by_one(store, members[-1:], Counter(connection))
    assert cost < 10 * count, f"{cost} commands, and {count * count} needs"
    assert ids_of(await claim_all(store, worker)) == ids_of(calls[count:])
    await store.close()


async def test_what_is_in_no_chain_costs_no_more_beside_chains(server: servers.Server):
    store = a_store(server.url)
    worker = await sign_on(store)
    with another_connection(server.url) as connection:
        counter = Counter(connection)

        async def cost() -> int:
            counter.start()
            await store.add(some_calls(100, priority=9))
            await end_all(store, await claim_all(store, worker, limit=100))
            return counter.commands

        alone = await cost()
        await store.add([*a_group(500), *a_chain(500)])
        beside = await cost()
    assert beside <= alone + 10, "a look at the head of one more line"
    await store.close()


# What is kept, and how long


async def test_nothing_is_left_of_chains_that_were_pruned(server: servers.Server):
    store = a_store(server.url, tag="shop")
    worker = await sign_on(store)
    chain, broken, retried = a_chain(3), a_group(2), a_chain(2)
    await store.add([*chain, *broken, *retried])
    tasks = {task.id: task for task in await claim_all(store, worker)}
    await end(store, [tasks[call.id] for call in (broken[0], retried[0])], Ending.FAILED)
    await end(store, [tasks[call.id] for call in (broken[1], chain[0])])
    await store.retry([retried[0].id])
    while claimed := await claim_all(store, worker):
        await end_all(store, claimed)
        store.clock_offset += HOUR
        await store.prune(older_than=SECOND, limit=EVERYTHING)
    await store.prune(older_than=timedelta(0), limit=EVERYTHING)
    await store.sign_off(worker)
    with another_connection(server.url) as connection:
        assert {key.decode() for key in connection.scan_iter()} == {"{shop}:meta", "{shop}:lines"}
        assert connection.hget("{shop}:meta", "ended_bytes") == b"0"
    await store.close()


@pytest.mark.parametrize(("history", "history_bytes"), [(2, 1_000_000), (0, 1_000_000), (1_000, 1_500)])
async def test_history_spares_a_chain_that_goes_on(valkey_url: str, history: int, history_bytes: int):
    store = a_store(valkey_url, history=history, history_bytes=history_bytes)
    worker = await sign_on(store)
    chain = a_chain(5)
    await store.add([*chain, *some_calls(5)])
    for _ in range(4):
        await end_all(store, await claim_all(store, worker))
        store.clock_offset += SECOND
    assert await states_of(store, chain) == [*[State.DONE] * 4, State.WAITING]
    assert len(await store.find(Search(), limit=EVERYTHING)) <= 5 + 2, "the others are history"
    await end_all(store, await claim_all(store, worker))
    kept = await store.find(Search(), limit=EVERYTHING)
    assert len(kept) <= 2, "now it is history as any other"
    assert set(ids_of(kept)) <= set(ids_of(chain))
    await store.close()


async def test_a_chain_that_is_spared_keeps_nobody_else_from_being_pruned(valkey_url: str):
    store = a_store(valkey_url)
    worker = await sign_on(store)
    await store.add(group := a_group(1_500))
    await end_all(store, await claim_all(store, worker, limit=1_500))
    await store.add(plain := some_calls(10, priority=9))
    await end_all(store, await claim_all(store, worker, limit=10))
    store.clock_offset += HOUR
    assert await store.prune(older_than=SECOND, limit=EVERYTHING) == 10
    assert (await store.states(ids_of(plain))) == {}
    assert len(await store.states(ids_of(group))) == len(group)
    await store.close()


async def test_what_was_spared_can_be_retried(valkey_url: str):
    store = a_store(valkey_url, history=0)
    worker = await sign_on(store)
    await store.add(chain := a_chain(2))
    await end_all(store, await claim_all(store, worker))
    assert await store.retry([chain[0].id]) == [chain[0].id]
    assert await states_of(store, chain) == [State.WAITING] * 2
    tasks = await claim_all(store, worker)
    assert {task.id for task in tasks} == set(ids_of(chain))
    await end_all(store, tasks)
    assert await store.find(Search(), limit=EVERYTHING) == []
    await store.close()


async def test_a_chain_of_which_the_rest_went_to_another_store_is_history(valkey_url: str):
    store, other = a_store(valkey_url, history=0), a_store(valkey_url)
    worker = await sign_on(store)
    await store.add(chain := a_chain(2))
    await end_all(store, await claim_all(store, worker))
    await store.add([call := a_call()])
    assert await other.receive(await store.hand_over(limit=EVERYTHING)) == [chain[1].id, call.id]
    assert await store.forget([chain[1].id]) == [chain[1].id]
    await end_all(store, await claim_all(store, worker))
    assert await store.find(Search(), limit=EVERYTHING) == []
    await store.close()
    await other.close()


# The words, which stand in a script here


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.CANCELLED])
async def test_a_step_that_never_starts_says_why_in_the_words_of_every_store(valkey_url: str, ending: Ending):
    store = a_store(valkey_url)
    worker = await sign_on(store)
    await store.add(chain := a_chain(2))
    await end(store, await claim_all(store, worker), ending)
    assert (await the_task(store, chain[1].id)).error == unmet(chain[0].id, State(ending.value))
    await store.close()


async def test_a_step_whose_need_went_elsewhere_says_so(valkey_url: str):
    store = a_store(valkey_url)
    worker = await sign_on(store)
    await store.add(group := a_group(2))
    assert await store.forget([group[0].id]) == [group[0].id]
    await end_all(store, await claim_all(store, worker))
    assert (await the_task(store, group[2].id)).error == unmet(group[0].id, None)
    await store.close()


# Servers that answer late, or are full


async def test_a_settler_has_the_next_step_although_the_answer_was_lost(valkey_url: str):
    with a_passage(valkey_url) as passage:
        store = a_store(passage.url, add_timeout=timedelta(seconds=1.5))
        worker = await warmed(store)
        group, claims = await a_running_group(store, worker)
        losing(passage, "settle")
        settled = await lost_once(passage, store.settle([done(claim) for claim in claims], claimed_by=worker))
        assert settled.held == claims
        assert ids_of(settled.claimed) == [group[-1].id]
        await store.close()


async def a_running_group(store: TimedStore, worker: WorkerId) -> tuple[list[Call], list[Claim]]:
    added = await store.add(group := a_group(3), claimed_by=worker)
    return group, [one.claimed.claim for one in added if one.claimed is not None]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_steering_a_chain_whose_answer_was_lost_tells_what_changed(valkey_url: str, verb: str):
    with a_passage(valkey_url) as passage:
        store = a_store(passage.url, add_timeout=timedelta(seconds=1.5))
        await warmed(store)
        await store.add(chain := a_chain(3))
        if verb == "retry":
            await store.cancel([chain[0].id])
        await getattr(store, verb)([])
        losing(passage, verb)
        assert await lost_once(passage, getattr(store, verb)(ids_of(chain))) == [chain[0].id]
        await store.close()


async def test_who_receives_a_chain_is_told_so_although_the_answer_was_lost(valkey_url: str):
    with a_passage(valkey_url) as passage:
        source, store = a_store(valkey_url), a_store(passage.url, add_timeout=timedelta(seconds=1.5))
        await source.add(chain := a_chain(3))
        tasks = await source.hand_over(limit=EVERYTHING)
        await store.receive(tasks[:1])
        await store.cancel([chain[0].id])
        losing(passage, "receive")
        assert await lost_once(passage, store.receive(tasks)) == ids_of(chain[1:])
        assert await states_of(store, chain) == [State.CANCELLED] * 3
        await source.close()
        await store.close()


@pytest.fixture(params=["valkey", "redis-7"])
def any_server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """One of the test's own, of either kind."""
    with servers.valkey() if request.param == "valkey" else servers.redis_like(older_redis.program()) as server:
        yield server


async def test_chains_go_on_while_the_memory_is_full(any_server: servers.Server):
    store = a_store(any_server.url, add_timeout=timedelta(seconds=5))
    worker = await sign_on(store)
    await store.add([*(chain := a_chain(3)), *(broken := a_chain(3))])
    tasks = {task.id: task for task in await claim_all(store, worker)}
    with full_memory(any_server):
        await end_all(store, [tasks[chain[0].id]])
        await end(store, [tasks[broken[0].id]], Ending.FAILED)
        store.clock_offset += HOUR
        assert await store.prune(older_than=SECOND, limit=EVERYTHING) == len(broken)
        for _ in range(2):
            await end_all(store, await claim_all(store, worker))
        assert await states_of(store, chain) == [State.DONE] * 3
        store.clock_offset += HOUR
        assert await store.prune(older_than=SECOND, limit=EVERYTHING) == len(chain)
    await store.close()
