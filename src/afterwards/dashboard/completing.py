"""What a search can be completed with: every field, and values that it has now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from afterwards.dashboard.searching import FIELDS
from afterwards.dashboard.showing import term
from afterwards.tasks import Census, State, Task

MOST, LONGEST = 30, 100  # values of one field, and characters of one
TIMES = ("1h", "1d", "7d")


def completions(census: Census, tasks: Sequence[Task], names: Iterable[str]) -> list[str]:
    """As a person would type them. `tasks` are those on the page, `names` the functions that this process knows."""
    values: dict[str, Iterable[str]] = {
        "state": State,
        "queue": {*census.waiting_by_queue, *census.paused, *(task.queue for task in tasks)},
        "function": {*names, *(task.name for task in tasks)},
        "error": {task.error.kind for task in tasks if task.error is not None},
        "added": TIMES,
    }
    return [text for field in FIELDS for text in (f"{field}:", *_terms(field, values.get(field, ())))]


def _terms(field: str, values: Iterable[str]) -> list[str]:
    """Without those that nobody would type."""
    plain = sorted(value for value in values if len(value) <= LONGEST and value.isprintable())
    return [term(value, field) for value in plain[:MOST]]
