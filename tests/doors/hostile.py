"""Words of strangers that want to be more than words, and a store in which they stand wherever a text may stand."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterwards.failures import clean
from afterwards.ids import new_id
from afterwards.outcomes import Ending, Outcome
from afterwards.schedules import Plan
from afterwards.store import Store
from afterwards.tasks import Call, Claim, Failure, LogLine, Note, Progress, TaskId, WorkerCard, WorkerId

LARGE = 2**53 + 1  # where JavaScript begins to count wrongly
NAME = 120  # characters of a word where it is a name
QUEUES = ("done", "failed", "running", "waiting")

WORDS = {
    "markup": "<b>bold</b><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "a script": "</script></pre></title><script>alert(1)</script>",
    "an attribute": "\"' onmouseover=alert(1) style=color:red x=\"'`>",
    "an address": "javascript:alert(1)//evil.example",
    "a template": "{{ 7*7 }}{% for x in y %}${7*7}#{7*7}",
    "a form": "</form><form action=//evil.example><button name=verb>Retry</button>",
    "htmx": '<div hx-get="//evil.example" hx-trigger=load data-live=//evil.example>',
    "right to left": "\u202egpj.exe\u2066\u200f",
    "unseen": "a\u200bb\ufeffc\u2028d\u00ade\U000e0041",
    "a NUL": "a\x00b",
    "half a character": "a\ud800b\udfff",
    "a terminal's": "\x1b]0;owned\x07\x1b[31m\x9b2J\x08",
    "lines": "a\r\nX-Forged: b=1\r\n\r\nevent: task\ndata: {}\n\n",
    "many marks": "z" + "\u0301" * 400,
    "a megabyte": "x" * 1_000_000,
    "a megabyte of lines": "ab\n" * 333_333,
    "a megabyte of quotes": "<\"'&" * 250_000,
    "a number": str(LARGE),
    "deep": "[" * 900,
    "spaces": "  two  words  ",
}
PLAIN = "a plain word"


@dataclass(frozen=True)
class Strangers:
    """The ids of tasks in whose every text the word stands."""

    done: TaskId
    failed: TaskId
    running: TaskId
    waiting: TaskId

    @property
    def ids(self) -> list[TaskId]:
        return [self.done, self.failed, self.running, self.waiting]


async def fill(store: Store, word: str) -> Strangers:
    """Tasks in every state, a paused queue and a schedule: what a worker would have stored, had it met this word."""
    name = clean(word[:NAME], NAME)
    worker = WorkerId("a worker")
    card = WorkerCard(id=worker, host="h", pid=1, label=name, lease=timedelta(hours=1), queues=_named(name, QUEUES))
    await store.sign_on(card)
    calls = {queue: _call(word, name, queue) for queue in QUEUES}
    claims: dict[str, Claim] = {}
    for queue in ("done", "failed", "running"):
        [added] = await store.add([calls[queue]], claimed_by=worker)
        assert added.claimed is not None
        claims[queue] = added.claimed.claim
    await store.pause(calls["waiting"].queue, paused=True)
    await store.add([calls["waiting"]])
    await store.note([Note(claim=claims["running"], progress=_progress(word))])
    ended = Outcome(claim=claims["done"], ending=Ending.DONE, logs=_logs(word), progress=_progress(word))
    await store.settle([replace(ended, result=json.dumps({word: word, "number": LARGE}))])
    await store.settle([Outcome(claim=claims["failed"], ending=Ending.RETRIED, error=_failure(word))])
    [again] = await store.claim(worker, limit=1, suspects=False)
    claims["failed"] = again.claim
    await store.settle([replace(ended, claim=claims["failed"], ending=Ending.FAILED, error=_failure(word))])
    await store.plan([Plan(name=name, function=f"shop:{name}", line="every 9 s")], starting=True)
    return Strangers(**{queue: call.id for queue, call in calls.items()})


def _named(name: str, queues: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name} {queue}" for queue in queues)


def _call(word: str, name: str, queue: str) -> Call:
    arguments = json.dumps({"text": word, word: [word], "number": LARGE, "fraction": 0.1})
    return Call(
        id=new_id(), name=f"shop.{name}:{name}", arguments=arguments, queue=f"{name} {queue}", key=f"{name} {queue}"
    )


def _failure(word: str) -> Failure:
    text = clean(word, 2_000)
    steps = f'Traceback (most recent call last):\n  File "/app/{clean(word[:NAME], NAME)}.py", line 1, in f\n    g()\n'
    return Failure(kind=clean(word, 200), message=text, traceback=f"{steps}{text}")


def _logs(word: str) -> tuple[LogLine, ...]:
    text = clean(word, 4_000)
    return (LogLine(at=datetime(2026, 11, 1, tzinfo=UTC), level=text[:NAME], logger=text[:NAME], text=text),)


def _progress(word: str) -> Progress:
    return Progress(done=LARGE, of=2**60, say=clean(word, 500))
