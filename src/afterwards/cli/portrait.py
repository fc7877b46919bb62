"""One task in words, and tasks as a table or as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from afterwards.cli.words import first_line, table
from afterwards.harmless import cut, harmless, harmless_lines
from afterwards.links import Link
from afterwards.phrases import ago, ahead, amount, duration
from afterwards.tasks import DEFAULT_PRIORITY, Failure, LogLine, Progress, State, Task, Try
from afterwards.timeline import Stretch, story
from afterwards.tracing import trace_id

_NEEDS = 3
_ERROR_WIDTH = 80
_HEADINGS = ("ID", "STATE", "WHEN", "ATTEMPT", "QUEUE", "NAME", "ERROR")
_INDENT = 12
_ONE_LINE = 80
_LONGEST = 10_000


def as_table(tasks: Sequence[Task], now: datetime) -> str:
    """A line for each."""
    return table(_HEADINGS, [_line(task, now) for task in tasks])


def as_page(task: Task, now: datetime) -> str:
    """Everything that is known about one, with the traceback at the end."""
    lines = [f"{label:<{_INDENT}}{_indented(text)}" for label, text in _facts(task, now) if text]
    if task.error is not None and task.error.traceback:
        lines += ["", _shown(task.error.traceback.rstrip())]
    return "\n".join(lines)


def as_json(task: Task) -> dict[str, object]:
    """For programs; instants in ISO 8601."""
    return {
        "id": str(task.id),
        "name": task.name,
        "state": task.state,
        "held": task.held,
        "queue": task.queue,
        "priority": task.priority,
        "attempt": task.attempt,
        "run": task.run,
        "crashes": task.crashes,
        "added": task.added.isoformat(),
        "due": task.due.isoformat(),
        "started": _iso(task.started),
        "ended": _iso(task.ended),
        "worker": task.worker,
        "after": None if task.after is None else str(task.after),
        "chain": None if task.link is None else str(task.link.chain),
        "needs": [] if task.link is None else [str(id) for id in task.link.needs],
        "key": task.key,
        "trace": trace_id(task.trace),
        "arguments": _strict(task.arguments),
        "progress": None if task.progress is None else asdict(task.progress),
        "result": _strict(task.returned),
        "logs": [{**asdict(line), "at": line.at.isoformat()} for line in task.logs],
        "error": None if task.error is None else asdict(task.error),
        "tries": [_try(one) for one in task.tries],
    }


def _try(one: Try) -> dict[str, object]:
    return {
        "number": one.number,
        "run": one.run,
        "attempt": one.attempt,
        "started": one.started.isoformat(),
        "ended": one.ended.isoformat(),
        "ending": one.ending,
        "error": None if one.error is None else {"kind": one.error.kind, "message": one.error.message},
    }


def when(task: Task, now: datetime) -> str:
    """The moment that matters in its state."""
    match task.state:
        case State.WAITING if task.held is not None:
            return f"held: {task.held}"
        case State.WAITING:
            return f"due {ahead(task.due, now)}"
        case State.RUNNING:
            return "started" if task.started is None else f"started {ago(task.started, now)}"
        case State.DONE | State.FAILED | State.CANCELLED:
            return "" if task.ended is None else ago(task.ended, now)


def _line(task: Task, now: datetime) -> tuple[str, ...]:
    error = "" if task.error is None else _brief(task.error)
    attempt = str(task.attempt) if task.attempt else ""
    return (str(task.id), task.state, when(task, now), attempt, harmless(task.queue), harmless(task.name), error)


def _facts(task: Task, now: datetime) -> list[tuple[str, str]]:
    priority = "" if task.priority == DEFAULT_PRIORITY else f", priority {task.priority}"
    return [
        ("id", str(task.id)),
        ("name", harmless(task.name)),
        ("state", f"{task.state}, {moment}" if (moment := when(task, now)) else task.state),
        ("queue", harmless(task.queue) + priority),
        ("attempt", _attempts(task)),
        ("tries", _tries(task, now)),
        ("after", "" if task.after is None else str(task.after)),
        ("chain", "" if task.link is None else _place(task.link)),
        ("key", harmless(task.key or "")),
        ("trace", trace_id(task.trace) or ""),
        ("added", _instant(task.added, now)),
        ("started", _instant(task.started, now)),
        ("ended", _instant(task.ended, now)),
        ("worker", harmless(task.worker or "")),
        ("arguments", _pretty(task.arguments)),
        ("progress", "" if task.progress is None else _how_far(task.progress)),
        ("result", _pretty(task.returned)),
        ("logs", "\n".join(_log_line(line) for line in task.logs)),
        ("error", _error(task.error)),
    ]


def _place(link: Link) -> str:
    """Which chain, and what it needs there: a group of a hundred is not told one by one."""
    needs = ", ".join(map(str, link.needs[:_NEEDS]))
    more = f" and {len(link.needs) - _NEEDS} more" if len(link.needs) > _NEEDS else ""
    anyway = ", done or not" if link.anyway else ""
    return str(link.chain) + (f", needs {needs}{more}{anyway}" if needs else "")


def _how_far(progress: Progress) -> str:
    """`3 of 10 (30 %), reading page 3`."""
    far = amount(progress.done) if progress.of is None else f"{amount(progress.done)} of {amount(progress.of)}"
    share = f" ({100 * progress.done / progress.of:.0f} %)" if progress.of else ""
    return far + share + (f", {harmless(progress.say)}" if progress.say else "")


def _log_line(line: LogLine) -> str:
    return f"{line.at:%H:%M:%S} {harmless(line.level):<7} {harmless(line.logger)}: {_shown(line.text)}"


def _attempts(task: Task) -> str:
    if not task.crashes:
        return str(task.attempt)
    return f"{task.attempt}; {task.crashes} {'process' if task.crashes == 1 else 'processes'} died under it"


def _tries(task: Task, now: datetime) -> str:
    """A line for each, if there is more than the last, of which all else tells."""
    told = story(task)
    stretches = [_stretch(stretch, now) for stretch in told.stretches] if task.tries else []
    return "\n".join(["earlier ones are not kept", *stretches] if told.begins_late else stretches)


def _stretch(stretch: Stretch, now: datetime) -> str:
    """`2: 2026-12-01 09:12:43 UTC, 2 s ago, waited 2 s, ran 310 ms, done`."""
    parts = [
        _instant(stretch.started, now),
        "retried by a person" if stretch.retried else "",
        "" if stretch.waited is None else f"waited {duration(stretch.waited)}",
        "" if stretch.ran is None else f"ran {duration(stretch.ran)}",
        stretch.words + ("" if stretch.error is None else f": {_brief(stretch.error)}"),
    ]
    return f"{stretch.attempt}: {', '.join(filter(None, parts))}"


def _error(error: Failure | None) -> str:
    return "" if error is None else _shown(f"{error.kind}: {error.message}")


def _brief(error: Failure) -> str:
    return first_line(f"{error.kind}: {error.message}", _ERROR_WIDTH)


def _instant(instant: datetime | None, now: datetime) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC, {ago(instant, now)}"


def _pretty(text: str | None) -> str:
    if text is None:
        return ""
    value = _parsed(text)
    line = json.dumps(value, ensure_ascii=False)
    return _shown(line if len(line) <= _ONE_LINE else json.dumps(value, ensure_ascii=False, indent=2))


def _shown(text: str) -> str:
    """For a terminal; what is longer than one would read there is in the JSON."""
    return harmless_lines(cut(text, _LONGEST))


def _parsed(text: str | None) -> object:
    """What is no JSON, though it should be, is shown as it is."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _strict(text: str | None) -> object:
    """The same for programs, without NaN and the infinities, which other languages' JSON does not have."""
    try:
        return None if text is None else json.loads(text, parse_constant=lambda name: None)
    except ValueError:
        return text


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * _INDENT)
