"""Gives tasks to a worker: those that are let through by their quotas, and the others are held at their gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

from afterwards.gates import AT_LEAST_LOOKED_AT, MOST_LOOKED_AT, Candidate, gates_of
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.driver import Row
from afterwards.stores.postgres.gates import open_due_gates, pass_gates
from afterwards.stores.postgres.heads import TO_BE_FOUND, Heads, Lines
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Claim, State, Task, TaskId, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker would take. `heads`: where the lines of its store began a moment ago."""

    worker: WorkerId
    limit: int
    suspects: bool
    unknown: tuple[str, ...]
    heads: Heads


class _Brought(NamedTuple):
    """What a look brought, by rank: the tasks that it claimed at once, and all that may still be claimed."""

    ids: list[TaskId]
    claimed: list[Task]
    candidates: list[Candidate[int]]


async def claim(transaction: Transaction, wish: Wish) -> list[Task]:
    """The best of what is claimable for it; where that may save much, by the heads of a moment ago."""
    heads = wish.heads
    claimed: list[Task] = []
    if not heads.are_worth_a_look:
        claimed = await _claim(transaction, wish, TO_BE_FOUND)
    else:
        if heads.are_fresh:
            claimed = await _claim(transaction, wish, heads.lines)
        if len(claimed) < wish.limit:
            heads.found(await transaction.rows("line_heads"))
            claimed += await _claim(transaction, _rest_of(wish, claimed), heads.lines)
    heads.count(len(claimed))
    return claimed


def _rest_of(wish: Wish, claimed: Sequence[Task]) -> Wish:
    """One suspect at a time."""
    suspects = wish.suspects and not any(task.suspect for task in claimed)
    return replace(wish, limit=wish.limit - len(claimed), suspects=suspects)


async def _claim(transaction: Transaction, wish: Wish, lines: Lines) -> list[Task]:
    """While some are held it looks on, but not without an end."""
    claimed: list[Task] = []
    looked_at, at_once, asks = 0, max(wish.limit, 0), True
    while len(claimed) < wish.limit and looked_at < MOST_LOOKED_AT:
        room = wish.limit - len(claimed)
        brought = await _look(transaction, wish, lines, max(room, at_once), asks=asks, takes=looked_at == 0)
        if not brought.ids and asks and await open_due_gates(transaction, wish.worker, wish.unknown, most=wish.limit):
            asks, lines = False, TO_BE_FOUND  # those have waited since before the heads
            continue
        passing, held = await _pass(transaction, wish.worker, brought, room=room - len(brought.claimed))
        claimed += _in_order(brought.ids, [*brought.claimed, *passing])
        if not held:
            break
        looked_at, at_once = looked_at + len(brought.ids), AT_LEAST_LOOKED_AT
    return claimed


def claims(_: Wish, answer: list[Task] | None) -> list[Claim]:
    """The claims of an answer."""
    return [task.claim for task in answer or ()]


async def _look(transaction: Transaction, wish: Wish, lines: Lines, limit: int, *, asks: bool, takes: bool) -> _Brought:
    found = await transaction.rows(
        "claim_tasks",
        worker=wish.worker,
        claimers=[wish.worker],
        limit=limit,
        suspects=wish.suspects,
        unknown=list(wish.unknown),
        asks=asks,
        takes=takes,
        **lines.values,
    )
    tasks = rows.tasks([row[:-3] for row in found])
    both = list(zip(tasks, found, strict=True))
    return _Brought(
        ids=[task.id for task in tasks],
        claimed=[task for task in tasks if task.state is State.RUNNING],
        candidates=[_candidate(task, row) for task, row in both if task.state is State.WAITING],
    )


def _candidate(task: Task, row: Row) -> Candidate[int]:
    sequence, has_function, has_queue = cast("tuple[int, bool, bool]", row[-3:])
    gates = gates_of(task.name, task.queue, task.limit_key, of_function=has_function, of_queue=has_queue)
    return Candidate(id=sequence, gates=gates)


async def _pass(transaction: Transaction, worker: WorkerId, brought: _Brought, *, room: int) -> tuple[list[Task], bool]:
    """Who of the candidates is claimed, and whether others were held."""
    if not brought.candidates:
        return [], False
    passage = await pass_gates(transaction, brought.candidates, worker, room=room)
    return rows.tasks(passage.taken), bool(passage.held)


def _in_order(ids: Sequence[TaskId], tasks: Sequence[Task]) -> list[Task]:
    by_id = {task.id: task for task in tasks}
    return [by_id[id] for id in ids if id in by_id]
