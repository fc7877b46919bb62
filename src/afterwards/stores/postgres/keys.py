"""Calls under keys: looks up who holds them, and writes who does now. Decides nothing: afterwards/keys.py does.

The row of a key is locked before anything is looked up, and each look is a statement of its own, so that it sees what
was committed by the time the lock was had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from afterwards.keys import Asked, Holder, KeyOf, Sorted, keys_of, sort_out
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Call, State, Task, TaskId


async def sorted_out(transaction: Transaction, asked: Sequence[Asked]) -> Sorted:
    """What becomes of these calls, with all of it written but the fresh ones."""
    calls = [one.call for one in asked if one.call.key is not None]
    wanted = keys_of(calls)
    await lock(transaction, wanted)
    known = await named_by(transaction, [call.id for call in calls])
    if any(call.replace for call in calls):
        await transaction.execute("lock_holders", **_columns([*wanted]))
    result = sort_out(asked, known, await holders_of(transaction, [*wanted]))
    await take(transaction, result.taken)
    await name(transaction, result.twins)
    await _replace(transaction, result.replaced)
    return result


async def lock(transaction: Transaction, wanted: Mapping[KeyOf, TaskId]) -> None:
    """Let nobody else write under these keys, given in their order, until this transaction ends.

    Raises what is LOCKED, soon, when somebody does already.
    """
    await transaction.execute("hurry")
    await transaction.execute("lock_keys", **_columns([*wanted]), ids=[*wanted.values()])


async def named_by(transaction: Transaction, ids: Sequence[TaskId]) -> dict[TaskId, TaskId]:
    """Of these ids, those that are stored, each with the task that it names."""
    found = cast("list[tuple[UUID, UUID]]", await transaction.rows("known_calls", ids=list(ids)))
    return {rows.own(id): rows.own(task) for id, task in found}


async def holders_of(transaction: Transaction, keys: Sequence[KeyOf]) -> dict[KeyOf, Holder]:
    """Of these keys, those that are held."""
    found = await transaction.rows("held_keys", **_columns(keys))
    return {
        KeyOf(name, key): Holder(rows.own(task), None if state is None else State(state))
        for name, key, task, state in cast("list[tuple[str, str, UUID, str | None]]", found)
    }


async def take(transaction: Transaction, taken: Mapping[KeyOf, TaskId]) -> None:
    """These tasks hold these keys now, which are locked."""
    if taken:
        await transaction.execute("take_keys", **_columns([*taken]), ids=[*taken.values()])


async def name(transaction: Transaction, twins: Mapping[TaskId, TaskId]) -> None:
    """These ids are other names of these tasks."""
    if twins:
        await transaction.execute("add_twins", ids=[*twins], tasks=[*twins.values()])


async def twins_of(transaction: Transaction, tasks: Sequence[Task]) -> dict[TaskId, list[TaskId]]:
    """The other names of those of these tasks that have some."""
    ids = [task.id for task in tasks if task.key is not None]
    twins: dict[TaskId, list[TaskId]] = defaultdict(list)
    for id, task in cast("list[tuple[UUID, UUID]]", await transaction.rows("twins_of", ids=ids) if ids else []):
        twins[rows.own(task)].append(rows.own(id))
    return twins


async def may_wait_again(transaction: Transaction, ids: Sequence[TaskId]) -> list[TaskId]:
    """Those of these tasks whose keys no other holds; they hold them now."""
    found = cast("list[tuple[UUID, str, str]]", await transaction.rows("keys_to_retry", ids=list(ids)))
    by_id = {rows.own(id): KeyOf(name, key) for id, name, key in found}
    if not by_id:
        return list(ids)
    wanted = {key: id for id, key in sorted(by_id.items(), key=lambda pair: pair[1])}
    await lock(transaction, wanted)
    holders = {key: holder.task for key, holder in (await holders_of(transaction, [*wanted])).items()}
    free = [id for id in ids if id not in by_id or holders.setdefault(by_id[id], id) == id]
    await take(transaction, {by_id[id]: id for id in free if id in by_id})
    return free


async def _replace(transaction: Transaction, replaced: Mapping[TaskId, Call]) -> None:
    if replaced:
        columns = rows.call_columns([*replaced.values()])
        await transaction.execute("replace_tasks", replaced=[*replaced], **columns)
        transaction.rings = True


def _columns(keys: Sequence[KeyOf]) -> dict[str, list[str]]:
    return {"key_names": [key.name for key in keys], "keys": [key.key for key in keys]}
