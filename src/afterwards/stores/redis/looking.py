"""Reads for people: what can be found and counted. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from afterwards import stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.stores.redis.workers import unknown_names, workers
from afterwards.tasks import Bookmark, Census, Hold, Search, Sought, State, Task, TaskId
from afterwards.throughput import Recent, Throughput

Counted = tuple[bytes, list[tuple[bytes, bytes, int]], int, int, int, list[bytes], list[bytes], int, int]

_MOST_STATES = 1_000
_LOOK = 500  # tasks that one script looks at, which takes the server some milliseconds; others come between


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of what a search finds, in some states; it begins at a bookmark, or after a task."""

    search: Search
    states: tuple[State, ...]
    limit: int
    start: Bookmark | TaskId | None = None


def states(ids: Sequence[TaskId]) -> Talk[dict[TaskId, State]]:
    """The states of these; a bounded number from each script, so that others come between."""
    letters = b""
    for start in range(0, len(ids), _MOST_STATES):
        letters += cast("bytes", (yield Ask("states", [id.hex for id in ids[start : start + _MOST_STATES]])))
    known = zip(ids, letters.decode(), strict=True)
    return {id: rows.STATES[letter] for id, letter in known if letter in rows.STATES}


def find(page: Page) -> Talk[tuple[list[Task], Bookmark | None]]:
    """Some of the tasks that match, newest first, and where it goes on."""
    told, bookmark = yield from _part(page, whole=True)
    return rows.whole_tasks(told), bookmark


def seek(page: Page) -> Talk[Sought]:
    """Their ids."""
    told, bookmark = yield from _part(page, whole=False)
    return Sought(ids=rows.ids(told), next=bookmark)


def _part(page: Page, *, whole: bool) -> Talk[tuple[object, Bookmark | None]]:
    ids = page.search.ids
    if page.limit <= 0 or ids == ():
        return [], None
    start = page.start.hex if isinstance(page.start, UUID) else page.start or ""
    arguments = [*rows.search_arguments(page.search, page.states), page.limit, _LOOK, start, "1" if whole else ""]
    asked = Ask("find", arguments) if ids is None else Ask("find_by_id", [*arguments, *(id.hex for id in ids)])
    told, following = cast("tuple[object, bytes]", (yield asked))
    return told, Bookmark(following.decode()) if following else None


def throughput(recent: Recent) -> Talk[Throughput]:
    """What ended within the time, or within a shorter one."""
    told = yield Ask("throughput", [stored.microseconds(recent.within), max(recent.limit, 1)])
    now, since, counts = cast("tuple[bytes, bytes, list[tuple[bytes, int]]]", told)
    by_queue: Counter[str] = Counter()
    for queue, count in counts:  # each line of a queue by itself
        by_queue[queue.decode()] += count
    return Throughput(since=stored.instant(int(since)), now=stored.instant(int(now)), by_queue=dict(by_queue))


def census(_: None) -> Talk[Census]:
    """Counts of everything, nearly at one moment."""
    now, groups, after, unknown, due, paused, since, limit, rate = cast("Counted", (yield Ask("census")))
    by_state: Counter[State] = Counter()
    by_queue: Counter[str] = Counter()
    for queue, number, count in groups:
        state = rows.STATES[number.decode()]
        by_state[state] += count
        if state is State.WAITING:
            by_queue[queue.decode()] += count
    held = {Hold.AFTER: after, Hold.UNKNOWN: unknown, Hold.LIMIT: limit, Hold.RATE: rate}
    return Census(
        now=stored.instant(int(now)),
        by_state={state: by_state[state] for state in State},
        waiting_by_queue=dict(by_queue),
        held={hold: count for hold, count in held.items() if count},
        unknown_names=tuple(sorted((yield from unknown_names(None)))),
        waiting_due=due,
        oldest_due={q.decode(): stored.instant(int(at)) for q, at in zip(since[::2], since[1::2], strict=True)},
        workers=tuple((yield from workers(None))),
        paused=tuple(sorted(queue.decode() for queue in paused)),
    )
