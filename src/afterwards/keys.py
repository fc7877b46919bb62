"""What becomes of calls under keys: which are stored, which are twins of a task that holds their key. Pure.

Of the calls of one function under one key, one is a task at a time. Who comes while it holds the key is not stored: his
call is a twin, and its id another name of that task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from afterwards.tasks import Call, State, TaskId, WorkerId


class KeyOf(NamedTuple):
    """A key belongs to a function, by the name under which that is stored."""

    name: str
    key: str


class Holder(NamedTuple):
    """The task that holds a key, as it stands; no state: it was deleted, and its key is held for some time yet."""

    task: TaskId
    state: State | None


class Asked(NamedTuple):
    """A call, and who wants to claim it at once."""

    call: Call
    claimed_by: WorkerId | None


@dataclass(slots=True, kw_only=True)
class Sorted:
    """What becomes of the first `count` calls: `fresh` are stored, the others are `twins`, by the task they stand for.

    `taken` are the keys that calls take. `replaced` are waiting tasks, with the call whose place they take. What
    follows the first `count` has to be sorted once these have been written.
    """

    count: int = 0
    fresh: list[Asked] = field(default_factory=list[Asked])
    twins: dict[TaskId, TaskId] = field(default_factory=dict[TaskId, TaskId])
    taken: dict[KeyOf, TaskId] = field(default_factory=dict[KeyOf, TaskId])
    replaced: dict[TaskId, Call] = field(default_factory=dict[TaskId, Call])


def key_of(call: Call) -> KeyOf | None:
    """Its key, if it has one."""
    return None if call.key is None else KeyOf(call.name, call.key)


def keys_of(calls: Sequence[Call]) -> dict[KeyOf, TaskId]:
    """All their keys, in one order everywhere, each with the first call that has it."""
    keys: dict[KeyOf, TaskId] = {}
    for call in calls:
        key = key_of(call)
        if key is not None:
            keys.setdefault(key, call.id)
    return dict(sorted(keys.items()))


def sort_out(asked: Sequence[Asked], known: Mapping[TaskId, TaskId], holders: Mapping[KeyOf, Holder | None]) -> Sorted:
    """Decide for each call, in their order.

    `known` has the ids among theirs that are stored, with the task that each names; `holders` who holds their keys.
    """
    sorting = _Sorting(known, holders)
    for one in asked:
        if not sorting.sort(one):
            break
        sorting.result.count += 1
    return sorting.result


class _Sorting:
    def __init__(self, known: Mapping[TaskId, TaskId], holders: Mapping[KeyOf, Holder | None]) -> None:
        self._known = known
        self._holders = holders
        self._closed_over: dict[TaskId, TaskId | None] = {}
        self.result = Sorted()

    def sort(self, asked: Asked) -> bool:
        """False for a call that has to be sorted later: it replaces one that is only now being stored."""
        call, key = asked.call, key_of(asked.call)
        if key is None or self._known.get(call.id) == call.id:
            self._store(asked)
        elif call.id in self._known:
            self._be_twin(call, self._known[call.id])
        elif (own := self.result.taken.get(key)) is not None:
            return self._sort_beside(asked, own)
        else:
            self._sort_by(asked, key, self._holders.get(key))
        return True

    def _sort_beside(self, asked: Asked, own: TaskId) -> bool:
        """A call of this very write has taken the key."""
        if own == asked.call.id:
            self._store(asked)
        elif asked.call.replace:
            return False
        else:
            self._be_twin(asked.call, own)
        return True

    def _sort_by(self, asked: Asked, key: KeyOf, holder: Holder | None) -> None:
        call = asked.call
        if holder is None or (call.replace and holder.state is State.RUNNING):
            self.result.taken[key] = call.id
            self._store(asked)
            return
        if call.replace and holder.state is State.WAITING:
            self.result.replaced[holder.task] = call
        self._be_twin(call, holder.task)

    def _store(self, asked: Asked) -> None:
        call = asked.call
        if call.after in self._closed_over:
            call = replace(call, after=self._before(call))
        self.result.fresh.append(Asked(call, asked.claimed_by))

    def _be_twin(self, call: Call, task: TaskId) -> None:
        """It stands outside of its request's line, which closes over it."""
        self.result.twins[call.id] = task
        after = self._before(call)
        self._closed_over[call.id] = None if after == call.id else after

    def _before(self, call: Call) -> TaskId | None:
        """The call that it really comes after."""
        after = call.after
        while after is not None and after in self._closed_over:
            after = self._closed_over[after]
        return after
