"""What an Afterwards may be told, checked when it is said: not every caller has his types checked. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar, cast
from uuid import UUID

from afterwards.options import check_flag, check_retry, check_word
from afterwards.resident import can_see_others
from afterwards.retries import Retry, as_duration
from afterwards.sizes import size

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110

Choice = TypeVar("Choice", bound=StrEnum)


def whole_number(value: object, what: str) -> int:
    """A number of things, at least one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{what} is a whole number of at least 1, not {value!r}")
    return value


def isolation(value: object) -> bool:
    """Whether a function is to run in a process of its own; not on Windows."""
    if yes_or_no(value, "isolate") and sys.platform == "win32":
        raise ValueError("isolate=True starts processes in a way that Windows does not have: leave it out there")
    return value is True


def memory(value: object, what: str) -> int:
    """Bytes, as a number or as a text with a unit; only where it can be seen how much a process takes."""
    if isinstance(value, str):
        amount = size(value)
    elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
        amount = value
    else:
        raise ValueError(f"{what} is a text such as '512MB', or a number of bytes, not {value!r}")
    if not can_see_others():
        raise ValueError(f"{what} needs /proc, which tells how much memory a process takes: this system has none")
    return amount


def yes_or_no(value: object, what: str) -> bool:
    """True or False, and nothing that only counts as one of them."""
    check_flag(value, what)
    return value is True


def some_time(value: float | timedelta, what: str) -> timedelta:
    """A duration that is more than nothing."""
    duration = as_duration(value, what)
    if not duration:
        raise ValueError(f"{what} cannot be zero")
    return duration


def queue_names(value: object) -> tuple[str, ...] | None:
    """The queues that a worker serves; None for all."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"queues takes a list of names, such as ['mail'], not {value!r}")
    names: list[str] = []
    for name in cast("Iterable[object]", value):
        check_word(name, "queues")
        names.append(str(name))
    if not names:
        raise ValueError("queues is empty: this worker would serve nothing; None serves all, worker=False none")
    return tuple(names)


def task_ids(value: object) -> list[UUID]:
    """The ids of tasks."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(f"a list of ids is needed, such as [handle.id], not {value!r:.100}")
    ids = list(cast("Iterable[object]", value))
    for id in ids:
        if not isinstance(id, UUID):
            raise ValueError(f"the id of a task is a UUID, such as handle.id, not {id!r:.100}")
    return cast("list[UUID]", ids)


def queue_name(value: object) -> str:
    """One queue."""
    check_word(value, "queue")
    return str(value)


def name(value: object) -> str:
    """What something is called."""
    check_word(value, "name")
    return str(value)


def key(value: object) -> str:
    """What calls have in common."""
    check_word(value, "key")
    return str(value)


def header(value: object) -> str:
    """The name of a header of requests."""
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        raise ValueError(f"idempotency_header is the name of a request header, as 'Idempotency-Key', not {value!r}")
    return value


def policy(value: object) -> Retry:
    """The default policy of every task."""
    check_retry(value)
    return value if isinstance(value, Retry) else Retry()


def choice(value: object, among: type[Choice], what: str) -> Choice:
    """One of a few words."""
    if not isinstance(value, str) or value not in set(among):
        raise ValueError(f"{what} is one of {', '.join(among)}, not {value!r}")
    return among(value)


def url(value: object) -> str:
    """Where a store is."""
    if not isinstance(value, str):
        raise ValueError(f"url is a text such as 'sqlite:///afterwards.db', not {value!r}")
    return value
