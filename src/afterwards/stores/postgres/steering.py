"""What people do to tasks and queues: retry, cancel, delete, pause, resume; and what age does to them: prune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from afterwards.stores.postgres import chains, keys, looking, rows
from afterwards.stores.postgres.followers import free_followers
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Search, State, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which tasks are to be changed: of these, by any of their names, those that match."""

    ids: tuple[TaskId, ...]
    matching: Search | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausing:
    """What is to become of a queue."""

    queue: str
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """How old the ended tasks are that go, and how many at most."""

    older_than: timedelta
    limit: int


async def retry(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that had ended wait again."""
    tasks = await _tasks_of(transaction, chosen.ids)
    free = await keys.may_wait_again(transaction, await _fitting(transaction, [*tasks], chosen.matching))
    steps, held = await chains.retry(transaction, free)
    again = rows.ids(await transaction.rows("retry", steps=steps, **_matching(free, chosen.matching)))
    retried = {*held, *again}
    transaction.rings |= bool(retried)
    return [id for task, id in tasks.items() if task in retried]


async def cancel(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that wait are cancelled, those that run are asked to stop."""
    tasks = await _tasks_of(transaction, chosen.ids)
    await _lock_lines(transaction, [*tasks])
    found = await transaction.rows("matching", **_matching([*tasks], chosen.matching))
    lines = cast("list[tuple[UUID, UUID | None]]", found)
    await _close_over(transaction, {id: former for id, former in lines if former is not None})
    ids = [id for id, _ in lines]
    cancelled = rows.ids(await transaction.rows("cancel_waiting", ids=ids))
    await free_followers(transaction, cancelled)
    changed = {*cancelled, *rows.ids(await transaction.rows("ask_to_stop", ids=ids))}
    return [id for task, id in tasks.items() if task in changed]


async def delete(transaction: Transaction, chosen: Chosen) -> list[TaskId]:
    """Those that have ended go. Their keys are locked first, as whoever adds under one does."""
    tasks = await _tasks_of(transaction, chosen.ids)
    await transaction.execute("hurry")
    await transaction.execute("lock_keys_of", ids=[*tasks])
    gone = set(rows.ids(await transaction.rows("delete", **_matching([*tasks], chosen.matching))))
    return [id for task, id in tasks.items() if task in gone]


async def pause(transaction: Transaction, pausing: Pausing) -> None:
    """Stop or resume claiming from a queue."""
    await transaction.execute("pause" if pausing.paused else "resume", queue=pausing.queue)
    transaction.rings |= not pausing.paused


async def prune(transaction: Transaction, pruning: Pruning) -> int:
    """Delete what ended long ago."""
    return await transaction.number("prune", older_than=rows.ago(pruning.older_than), limit=max(pruning.limit, 0))


async def _fitting(transaction: Transaction, ids: Sequence[TaskId], search: Search | None) -> list[TaskId]:
    """Those that match; they are locked, so that it stays so."""
    if search is None:
        return list(ids)
    await _lock_lines(transaction, ids)
    fits = set(rows.ids(await transaction.rows("matching", **_matching(ids, search))))
    return [id for id in ids if id in fits]


def _matching(ids: Sequence[TaskId], search: Search | None) -> dict[str, object]:
    """The values of statements that change of these tasks only those that match."""
    search = search or Search()
    return {**looking.narrowing(search), "ids": list(ids), "states": list(search.among(State))}


async def _tasks_of(transaction: Transaction, ids: Sequence[TaskId]) -> dict[TaskId, TaskId]:
    """The tasks that these ids name, in their order, each with the first id that names it."""
    named = await keys.named_by(transaction, ids)
    tasks: dict[TaskId, TaskId] = {}
    for id in ids:
        if id in named:
            tasks.setdefault(named[id], id)
    return tasks


async def _lock_lines(transaction: Transaction, ids: Sequence[TaskId]) -> None:
    """Lock these and their formers; once more, if one of them has another former by the time it is locked."""
    locked: set[UUID] = set()
    wanted = set(ids)
    while not wanted <= locked:
        found = await transaction.rows("lock_lines", ids=list(wanted))
        lines = cast("list[tuple[UUID, UUID | None]]", found)
        locked |= wanted | {id for id, _ in lines}
        wanted = {former for id, former in lines if id in wanted and former is not None}


async def _close_over(transaction: Transaction, formers: Mapping[UUID, UUID]) -> None:
    """Who is held after one of these is held after the one before it, from the heads of the lines on."""
    while formers:
        heads = {id: former for id, former in formers.items() if former not in formers}
        await transaction.execute("close_over", ids=[*heads])
        formers = {id: heads.get(former, former) for id, former in formers.items() if id not in heads}
