"""Calls under keys: looks up who holds them, and writes who does now. Decides nothing: afterwards/keys.py does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from afterwards.keys import Asked, Holder, KeyOf, Sorted, keys_of, sort_out
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import State, Task, TaskId


def sorted_out(transaction: Transaction, asked: Sequence[Asked]) -> Sorted:
    """What becomes of these calls, with all of it written but the fresh ones."""
    calls = [one.call for one in asked]
    known = named_by(transaction, [call.id for call in calls if call.key is not None])
    result = sort_out(asked, known, holders_of(transaction, [*keys_of(calls)]))
    take(transaction, result.taken)
    name(transaction, result.twins)
    for id, call in result.replaced.items():
        transaction.execute("replace_task", **rows.replacement(id, call, transaction.now))
    transaction.rings |= bool(result.replaced)
    return result


def named_by(transaction: Transaction, ids: Sequence[TaskId]) -> dict[TaskId, TaskId]:
    """Of these ids, those that are stored, each with the task that it names."""
    found = transaction.rows("known_calls", ids=_texts(ids))
    return {UUID(id): UUID(task) for id, task in cast("list[tuple[str, str]]", found)}


def holders_of(transaction: Transaction, keys: Sequence[KeyOf]) -> dict[KeyOf, Holder]:
    """Of these keys, those that are held."""
    found = cast("list[tuple[str, str, str, str | None]]", transaction.rows("held_keys", keys=as_list(keys)))
    return {
        KeyOf(name, key): Holder(UUID(task), None if state is None else State(state))
        for name, key, task, state in found
    }


def take(transaction: Transaction, taken: Mapping[KeyOf, TaskId]) -> None:
    """These tasks hold these keys now."""
    transaction.spread("take_keys", [(*key, str(task)) for key, task in taken.items()])


def name(transaction: Transaction, twins: Mapping[TaskId, TaskId]) -> None:
    """These ids are other names of these tasks."""
    transaction.spread("add_twins", [(str(id), str(task)) for id, task in twins.items()])


def twins_of(transaction: Transaction, tasks: Sequence[Task]) -> dict[TaskId, tuple[TaskId, ...]]:
    """The other names of those of these tasks that have some."""
    twins: dict[TaskId, tuple[TaskId, ...]] = {}
    found = transaction.rows("twins_of", ids=_texts([task.id for task in tasks if task.key is not None]))
    for id, task in cast("list[tuple[str, str]]", found):
        twins[UUID(task)] = (*twins.get(UUID(task), ()), UUID(id))
    return twins


def let_go(transaction: Transaction, ids: Sequence[str]) -> None:
    """These tasks are about to be deleted: of their keys those stay that are held for longer, of their names none."""
    if ids:
        going = as_list(ids)
        transaction.execute("keep_keys", ids=going)
        transaction.execute("drop_keys", ids=going)
        transaction.execute("drop_twins", ids=going)


def may_wait_again(transaction: Transaction, id: TaskId) -> bool:
    """Whether no other task holds its key; then it holds that itself."""
    for key in cast("list[tuple[str, str]]", transaction.rows("key_to_retry", id=str(id))):
        wanted = KeyOf(*key)
        holder = holders_of(transaction, [wanted]).get(wanted)
        if holder is not None and holder.task != id:
            return False
        take(transaction, {wanted: id})
    return True


def _texts(ids: Sequence[TaskId]) -> str:
    return as_list([str(id) for id in ids])
