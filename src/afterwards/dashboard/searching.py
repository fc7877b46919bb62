"""What a person types to find tasks, and how it is looked for.

The store finds by state, queue, function, error, key and id. What else is asked for is looked for in what the store
gives, newest first, in redacted text only, so that nobody can guess a secret by searching; and not further back than
`LOOK_BACK`.
"""

from __future__ import annotations

import re
import shlex
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from afterwards.phrases import moment
from afterwards.redaction import Redaction
from afterwards.store import Store
from afterwards.tasks import Search, State, Task, TaskId

LOOK_BACK = 50_000
LONGEST = 2.0  # seconds of one look back; then it offers to go on
AT_ONCE = 500
_STATE = re.compile(r"(?:^|(?<=\s))state:\S*\s*")
FIELDS = ("state", "queue", "function", "key", "error", "id", "added")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for. `search` is what the store is asked; the rest is looked for in what it gives."""

    text: str = ""
    search: Search = field(default_factory=Search)
    function: str = ""
    since: datetime | None = None
    words: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """The store alone finds it."""
        return not (self.function or self.search.key or self.words or self.since)

    def matches(self, task: Task) -> bool:
        """Whether a redacted task is what is looked for, beyond what the store was asked."""
        kind, message = ("", "") if task.error is None else (task.error.kind, task.error.message)
        text = f"{task.name}\n{task.arguments}\n{kind}\n{message}\n{task.returned or ''}".casefold()
        return (
            self.function in task.name.casefold()
            and self.search.key in (None, task.key)  # one that is hidden is not found by guessing it
            and (self.since is None or task.added >= self.since)
            and all(word in text for word in self.words)
        )

    def is_past(self, task: Task) -> bool:
        """Whether nothing older than this one can match."""
        return self.since is not None and task.added < self.since

    def with_state(self, state: State | None) -> str:
        """The same search in words, in another state."""
        others = _STATE.sub("", self.text).strip()
        return f"state:{state} {others}".strip() if state else others


def parse(text: str) -> Query:
    """`state:failed queue:mail words`. Raises ValueError, in words, for what nobody can mean."""
    text = "".join(filter(_is_typed, text)).strip()
    query = Query(text=text)
    words: list[str] = []
    for part in _parts(text):
        name, colon, value = part.partition(":")
        if colon and value and name in FIELDS:
            query = _narrowed(query, name, value)
        else:
            words.append(part.casefold())
    return _with_time(replace(query, words=tuple(words)))


def _is_typed(character: str) -> bool:
    """Spaces of every width are, as in Chinese and Japanese text; control and direction marks are not."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _with_time(query: Query) -> Query:
    """Lets the store look for when it was added, where that has few to look at. Else we stop where it was earlier."""
    search = query.search
    if search.state in (None, State.DONE) and search.error is None and search.ids is None:
        return query
    return replace(query, search=replace(search, added_after=query.since), since=None)


def _parts(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is never closed
        return text.split()


def _narrowed(query: Query, name: str, value: str) -> Query:
    search = query.search
    match name:
        case "state":
            if value not in set(State):
                raise ValueError(f"there is no state {value!r}: it is one of {', '.join(State)}")
            return replace(query, search=replace(search, state=State(value)))
        case "queue":
            return replace(query, search=replace(search, queue=value))
        case "function" if ":" in value:
            return replace(query, search=replace(search, name=value))
        case "id":
            return replace(query, search=replace(search, ids=(*(search.ids or ()), _id(value))))
        case "added":
            return replace(query, since=_instant(value))
        case "key":
            return replace(query, search=replace(search, key=value))
        case "error":
            return replace(query, search=replace(search, error=value))
        case _:
            return replace(query, function=value.casefold())


def _id(value: str) -> TaskId:
    try:
        return UUID(value)
    except ValueError:
        raise ValueError(f"{value!r} is no task's id") from None


def _instant(value: str) -> datetime:
    try:
        return moment(value, datetime.now(UTC))
    except ValueError as error:
        raise ValueError(f"added: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of redacted tasks. `older`: after which id it goes on, None at the end; `looked` at so many."""

    tasks: Sequence[Task]
    older: TaskId | None
    looked: int
    is_cut: bool = False


async def find(store: Store, redaction: Redaction, query: Query, *, limit: int, after: TaskId | None = None) -> Found:
    """The newest tasks that match, up to `limit`; `is_cut` when it stopped looking before it had so many."""
    began, looked, found = time.monotonic(), 0, list[Task]()
    step = limit + 1
    while True:
        some = await store.find(query.search, limit=step, after=after)
        looked += len(some)
        found += await run_in_threadpool(_matching, redaction, query, some)
        if len(found) > limit:
            return Found(tasks=found[:limit], older=found[limit - 1].id, looked=looked)
        if len(some) < step or query.is_past(some[-1]):
            return Found(tasks=found, older=None, looked=looked)
        after, step = some[-1].id, max(step, min(2 * step, AT_ONCE))
        if looked >= LOOK_BACK or time.monotonic() - began > LONGEST:
            return Found(tasks=found, older=after, looked=looked, is_cut=True)


def _matching(redaction: Redaction, query: Query, tasks: Sequence[Task]) -> list[Task]:
    return [task for task in map(redaction.task, tasks) if query.is_exact or query.matches(task)]
