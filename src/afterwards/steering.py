"""What a person wants done to all tasks that match a search: retry, cancel or delete them. Never does it twice to one.

It goes through them page by page, so that the store serves others in between. Each page is sought by ids alone, and
each task is judged once more in the write that changes it: what somebody else has steered meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, TypedDict, assert_never

from afterwards import checks
from afterwards.options import check_instant, check_word
from afterwards.registry import Registry
from afterwards.retries import kind_of
from afterwards.store import Store
from afterwards.tasks import Bookmark, Search, State, TaskId

_AT_ONCE = 200  # tasks that one write changes: others wait for no more than a tenth of a second
_COUNTED_AT_ONCE = 5_000


class Verb(Protocol):
    """A store's verb for an order."""

    async def __call__(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]: ...


class Order(StrEnum):
    """What is to be done to tasks."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"

    @property
    def states(self) -> tuple[State, ...]:
        """In which it changes a task."""
        return (State.WAITING, State.RUNNING) if self is Order.CANCEL else (State.DONE, State.FAILED, State.CANCELLED)


class What(TypedDict, total=False):
    """Which tasks. What is left out does not narrow.

    `function` is a function, or the name under which its tasks are stored. `error` is the class of the last error: a
    class, its whole name with a dot in it, or a bare name, which is found in whichever module. `key` finds who holds it
    and who held it. They were added at `added_after` or later, and earlier than `added_before`: aware datetimes.
    """

    ids: Iterable[TaskId]
    state: State | str
    queue: str
    function: str | Callable[..., Any]
    error: str | type[BaseException]
    key: str
    added_after: datetime
    added_before: datetime


def search_of(what: What, registry: Registry) -> Search:
    """The search for these. Raises ValueError or TypeError for what makes no sense, CannotName for a function."""
    unknown = what.keys() - What.__optional_keys__
    if unknown:
        raise TypeError(f"tasks are sought by {', '.join(What.__annotations__)}, not by {', '.join(sorted(unknown))}")
    for part, value in what.items():
        if value is None:
            raise ValueError(f"{part}=None would narrow nothing: leave it out, if that is meant")
    after, before = _instant(what, "added_after"), _instant(what, "added_before")
    if after is not None and before is not None and after >= before:
        raise ValueError(f"nothing was added between {after} and {before}: added_after is the earlier of the two")
    return Search(
        ids=tuple(checks.task_ids(what["ids"])) if "ids" in what else None,
        state=checks.choice(what["state"], State, "state") if "state" in what else None,
        queue=checks.queue_name(what["queue"]) if "queue" in what else None,
        name=_function(what["function"], registry) if "function" in what else None,
        error=_error(what["error"]) if "error" in what else None,
        key=checks.key(what["key"]) if "key" in what else None,
        added_after=after,
        added_before=before,
    )


def order_for(order: Order, search: Search) -> Search:
    """The search as the order takes it: failed tasks are those to be retried, if nothing else is said.

    Raises ValueError for tasks that it never changes.
    """
    if search.state is None:
        return replace(search, state=State.FAILED) if order is Order.RETRY else search
    if search.state not in order.states:
        raise ValueError(f"{order} changes tasks that are {' or '.join(order.states)}, not {search.state} ones")
    return search


async def carry_out(
    store: Store,
    order: Order,
    search: Search,
    *,
    most: int | None = None,
    tell: Callable[[int, Sequence[TaskId]], None] = lambda looked_at, changed: None,
) -> int:
    """Do it to all that match, up to `most`; how many were changed.

    `tell` hears after each write how many were looked at, and which of them were changed. Raises StoreUnavailable; what
    was done by then is done, and doing it again goes on.
    """
    changed = 0
    async with aclosing(sought(store, order, search, at_once=_AT_ONCE, most=most)) as pages:
        async for ids in pages:
            done = await verb_of(store, order)(ids, matching=search)
            changed += len(done)
            tell(len(ids), done)
    return changed


async def count(store: Store, order: Order, search: Search, *, most: int | None = None) -> int:
    """How many it would change now; no more than `most` are counted."""
    counted = 0
    async with aclosing(sought(store, order, search, at_once=_COUNTED_AT_ONCE, most=most)) as pages:
        async for ids in pages:
            counted += len(ids)
    return counted


async def sought(
    store: Store, order: Order, search: Search, *, at_once: int, most: int | None
) -> AsyncGenerator[list[TaskId]]:
    """The ids of what it would change, `at_once` or fewer at a time, up to `most`, the newest first."""
    bookmark: Bookmark | None = None
    left = most
    while left is None or left > 0:
        limit = at_once if left is None else min(at_once, left)
        page = await store.seek(search, states=order.states, limit=limit, bookmark=bookmark)
        if page.ids:
            yield page.ids
        if page.next is None:
            return
        left, bookmark = None if left is None else left - len(page.ids), page.next


def verb_of(store: Store, order: Order) -> Verb:
    """What carries it out."""
    match order:
        case Order.RETRY:
            return store.retry
        case Order.CANCEL:
            return store.cancel
        case Order.DELETE:
            return store.delete
        case _:
            assert_never(order)


def _instant(what: What, part: Literal["added_after", "added_before"]) -> datetime | None:
    instant = what.get(part)
    if instant is not None:
        check_instant(instant, part)
    return instant


def _function(function: object, registry: Registry) -> str:
    """The name under which its tasks are stored."""
    if callable(function):
        return registry.stored_name(function)
    check_word(function, "function")
    return str(function)


def _error(error: object) -> str:
    if isinstance(error, type) and issubclass(error, BaseException):
        return kind_of(error)
    if not isinstance(error, str):
        raise ValueError(f"error takes a class of errors or its name, such as 'smtplib.SMTPException', not {error!r}")
    check_word(error, "error")
    return error
