"""Stores calls: those of all requests that came meanwhile in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from afterwards import stored
from afterwards.first_run import first_run
from afterwards.keys import Asked
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.keys import sorted_out
from afterwards.stores.sqlite.rows import Place
from afterwards.stores.sqlite.transaction import Questions, Transaction, as_list
from afterwards.tasks import Added, Call, TaskId, WorkerId

Door = tuple[str, str, str]  # a claimer, a queue, a function's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What one caller adds; `claimed_by` wants what it may have of it at once."""

    calls: tuple[Call, ...]
    claimed_by: WorkerId | None = None


def add(transaction: Transaction, additions: Sequence[Addition]) -> list[list[Added]]:
    """Store all of them; an answer for each."""
    asked = [Asked(call, addition.claimed_by) for addition in additions for call in addition.calls]
    if any(one.call.key is not None for one in asked):
        answers = iter(_store_by_key(transaction, asked))
    else:
        answers = iter(_store(transaction, asked))
    return [[next(answers) for _ in addition.calls] for addition in additions]


def _store_by_key(transaction: Transaction, asked: Sequence[Asked]) -> list[Added]:
    answers: list[Added] = []
    while asked:
        result = sorted_out(transaction, asked)
        fresh = iter(_store(transaction, result.fresh))
        some = [result.twins.get(one.call.id) for one in asked[: result.count]]
        answers += [next(fresh) if twin is None else Added(id=twin) for twin in some]
        asked = asked[result.count :]
    return answers


def _store(transaction: Transaction, asked: Sequence[Asked]) -> list[Added]:
    places = _places(transaction, asked)
    added = transaction.spread("add_calls", [rows.call_row(place, transaction.now) for place in places])
    fresh = None if len(added) == len(places) else _fresh(transaction, added)
    answers = [_answer(place, fresh, transaction.now) for place in places]
    transaction.rings |= len(added) > sum(answer.claimed is not None for answer in answers)
    return answers


def _places(transaction: Transaction, asked: Sequence[Asked]) -> list[Place]:
    """Each call with what holds it and who claims it."""
    held = _held(transaction, [one.call for one in asked])
    doors = _doors(transaction, asked)
    now = transaction.now
    return [Place(call, call.id in held, _claimer(call, claimer, held, doors, now)) for call, claimer in asked]


def _held(transaction: Transaction, calls: Sequence[Call]) -> set[TaskId]:
    """Those that come after a task of this very write, or after one that is stored with its turn still to come."""
    following = {call.id: str(call.after) for call in calls if call.after is not None and call.after != call.id}
    if not following:
        return set()
    incoming = {str(call.id) for call in calls}
    stored = dict(cast("list[tuple[str, int]]", transaction.rows("formers", ids=as_list(list(following.values())))))
    return {
        follower
        for follower, former in following.items()
        if (not stored[former] if former in stored else former in incoming)
    }


def questions(additions: Sequence[Addition]) -> Questions:
    """Which claimer may claim at once what is of which queue and function, by the same rule as in a claim."""
    return _questions([Asked(call, addition.claimed_by) for addition in additions for call in addition.calls])


def _questions(asked: Sequence[Asked]) -> Questions:
    doors = {(claimer, call.queue, call.name) for call, claimer in asked if claimer is not None}
    return {"open_doors": {"doors": as_list(doors)}} if doors else {}


def _doors(transaction: Transaction, asked: Sequence[Asked]) -> set[Door]:
    if not any(one.claimed_by for one in asked):
        return set()
    found = transaction.ask("open_doors", lambda: _questions(asked)["open_doors"])
    return {(claimer, queue, name) for claimer, queue, name in cast("list[Door]", found)}


def _claimer(call: Call, claimer: WorkerId | None, held: set[TaskId], doors: set[Door], now: int) -> WorkerId | None:
    if claimer is None or call.id in held or (claimer, call.queue, call.name) not in doors:
        return None
    return claimer if stored.due_of(call, now) <= now else None


def _fresh(transaction: Transaction, added: range) -> set[str]:
    """Some had been stored before; the ids of those that had not."""
    return set(transaction.strings("added_among", first=added.start, last=added.stop - 1)) if added else set()


def _answer(place: Place, fresh: set[str] | None, now: int) -> Added:
    """What was claimed is handed out once, by the write that stored it."""
    call, _, claimer = place
    if claimer is None:
        return Added(id=call.id)
    if fresh is not None:
        if str(call.id) not in fresh:
            return Added(id=call.id)
        fresh.discard(str(call.id))
    return Added(id=call.id, claimed=first_run(call, now=stored.instant(now), worker=claimer))
