"""Calls, outcomes and workers as scripts take them, and tasks as scripts tell them: the one place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from afterwards import kept, links, stored
from afterwards.links import Link
from afterwards.outcomes import Ending, Outcome
from afterwards.quotas import Quota
from afterwards.stores.redis.errands import Argument
from afterwards.tasks import Call, Hold, Search, SignedOn, State, Task, TaskId, WorkerCard, WorkerId

STATES = {"1": State.WAITING, "2": State.RUNNING, "3": State.DONE, "4": State.FAILED, "5": State.CANCELLED}
NUMBERS = {state: number for number, state in STATES.items()}

_STATES = {number.encode(): state for number, state in STATES.items()}
_NO_TEXTS: dict[bytes, bytes] = {}
_ID_WIDTH = 32

Told = tuple[bytes, bytes, bytes, list[bytes]]  # id, life, call, and pairs of a letter and a text
ToldWhole = tuple[bytes, bytes, bytes, list[bytes], bytes]  # and its tries


def call_arguments(call: Call, claimer: WorkerId | None) -> tuple[Argument, ...]:
    """A call as `store_calls` of adding.lua takes it."""
    return (
        call.id.hex,
        call.name,
        call.queue,
        call.priority,
        "" if call.retry is None else stored.retry_text(call.retry),
        call.arguments,
        "" if call.due is None else stored.microseconds_at(call.due),
        stored.microseconds(call.delay) if call.delay else "",
        "" if call.after is None else call.after.hex,
        call.crashes,
        _number(stored.timeout_of(call)),
        _deadline(call.deadline),
        "" if call.key is None else f"{int(call.replace)}{_number(stored.unique_for_of(call))}\0{call.key}",
        call.trace or "",
        "" if call.keeps is None else kept.keeps_text(call.keeps),
        call.limit_key,
        *_link_arguments(call.link),
        claimer or "",
    )


def outcome_arguments(outcome: Outcome) -> tuple[Argument, ...]:
    """An outcome as settle.lua takes it, without its calls."""
    claim, fate = outcome.claim, stored.fate_of(outcome)
    keeps_place = fate.has_ended or (fate.untried and not outcome.delay)
    return (
        claim.id.hex,
        claim.run,
        claim.worker,
        NUMBERS[State(fate.state)],
        fate.held or "",
        "" if keeps_place else stored.microseconds(outcome.delay),
        "" if fate.untried else stored.microseconds(outcome.took),
        int(fate.gives_back),
        int(fate.frees),
        int(outcome.error is None and outcome.ending is not Ending.DONE),
        "" if outcome.error is None else stored.failure_text(outcome.error),
        outcome.result or "",
        "" if outcome.progress is None else kept.progress_text(outcome.progress),
        "" if outcome.logs is None else kept.logs_text(outcome.logs),
        len(outcome.calls),
    )


def received_arguments(task: Task, hold: Hold | None) -> tuple[Argument, ...]:
    """A task of another store as receive.lua takes it."""
    return (
        task.id.hex,
        task.name,
        task.queue,
        task.priority,
        "" if task.retry is None else stored.retry_text(task.retry),
        task.arguments,
        hold or "",
        stored.microseconds_at(task.due),
        stored.microseconds_at(task.added),
        task.attempt,
        task.run,
        task.crashes,
        task.crashes_allowed,
        int(task.suspect),
        int(task.turn_over),
        "" if task.started is None else stored.microseconds_at(task.started),
        "" if task.after is None else task.after.hex,
        "" if task.error is None else stored.failure_text(task.error),
        task.returned or "",
        "" if task.progress is None else kept.progress_text(task.progress),
        task.key or "",
        _number(stored.timeout_of(task)),
        _deadline(task.deadline),
        _number(stored.unique_for_of(task)),
        task.trace or "",
        "".join(twin.hex for twin in task.twins),
        "" if task.keeps is None else kept.keeps_text(task.keeps),
        kept.logs_text(task.logs) if task.logs else "",
        task.limit_key,
        *_link_arguments(task.link),
        "\0".join(kept.try_text(one) for one in task.tries),
    )


def search_arguments(search: Search, states: Iterable[State]) -> list[Argument]:
    """A search as search.lua takes it, in these states."""
    return [
        "".join(NUMBERS[state] for state in states),
        *("" if word is None else f"={word}" for word in (search.queue, search.name, search.key)),
        "" if search.error is None else f"={stored.in_json(search.error)}",
        "" if search.error_ending is None else stored.in_json(search.error_ending),
        *(
            "" if instant is None else stored.microseconds_at(instant)
            for instant in (search.added_after, search.added_before)
        ),
    ]


def _link_arguments(link: Link | None) -> tuple[str, str]:
    """What a step needs, for followers.lua to read; and its chain, with the rest of the link. Empty: none."""
    if link is None:
        return "", ""
    needs = "".join(id.hex for id in link.needs)
    return needs and f"{int(link.anyway)}{needs}", f"{link.chain.hex}{links.link_text(replace(link, needs=()))}"


def _link(needs: str | None, rest: str | None) -> Link | None:
    """The link of these two texts."""
    link = None if rest is None else links.link(rest[_ID_WIDTH:])
    if link is None or needs is None:
        return link
    places = range(1, len(needs), _ID_WIDTH)
    return replace(link, needs=tuple(UUID(needs[at : at + _ID_WIDTH]) for at in places))


def _deadline(deadline: datetime | timedelta | None) -> Argument:
    """An instant; or, after a plus, how long it is to the deadline, for the script to add to its own clock."""
    if deadline is None:
        return ""
    if isinstance(deadline, timedelta):
        return f"+{stored.microseconds(deadline)}"
    return stored.microseconds_at(deadline)


def _number(number: int | None) -> Argument:
    return "" if number is None else number


def card_arguments(card: WorkerCard) -> list[Argument]:
    """A worker's card as sign_on.lua takes it."""
    lease = stored.microseconds(card.lease)
    return [
        *(card.id, stored.cleaned(card.host), card.pid, stored.cleaned(card.label), lease, len(card.quotas)),
        *(argument for quota in card.quotas for argument in _quota_arguments(quota)),
        int(card.queues is None),
        *(card.queues or ()),
    ]


def _quota_arguments(quota: Quota) -> tuple[Argument, ...]:
    rate = quota.rate
    return (
        quota.name,
        _number(quota.most),
        "" if rate is None else rate.count,
        "" if rate is None else stored.microseconds(rate.period),
    )


def ids(told: object) -> list[TaskId]:
    """Ids as scripts tell them."""
    return [UUID(id.decode()) for id in cast("list[bytes]", told)]


def tasks(told: object) -> list[Task]:
    """The tasks that a script told."""
    return [_task(*one) for one in cast("list[Told]", told)]


def whole_tasks(told: object) -> list[Task]:
    """The same of one that told their tries too."""
    return [_whole_task(*one) for one in cast("list[ToldWhole]", told)]


def _whole_task(id: bytes, life: bytes, call: bytes, pairs: list[bytes], tries: bytes) -> Task:
    task = _task(id, life, call, pairs)
    return replace(task, tries=kept.tries(f"[{tries.decode().replace(chr(0), ',')}]")) if tries else task


def _task(id: bytes, life: bytes, call: bytes, pairs: list[bytes]) -> Task:
    (
        state, held, _, _, due, added, attempt, run, crashes, allowed, suspect, freed, stop_asked, worker, started,
        ended, _, _, after, _, *newer,
    ) = life.split(b"\0")  # fmt: skip
    name, queue, priority, retry, arguments, timeout, deadline = call.decode().split("\0")
    texts = dict(zip(pairs[::2], pairs[1::2], strict=True)) if pairs else _NO_TEXTS
    return Task(
        id=UUID(id.decode()),
        name=name, arguments=arguments, queue=queue, priority=int(priority),
        state=_STATES[state],
        held=Hold(held.decode()) if held else None,
        after=UUID(after.decode()) if after else None,
        due=stored.instant(int(due)),
        added=stored.instant(int(added)),
        attempt=int(attempt), run=int(run), crashes=int(crashes), crashes_allowed=int(allowed),
        suspect=suspect == b"1",
        turn_over=freed == b"1",
        worker=WorkerId(worker.decode()) if worker else None,
        started=_instant(started),
        ended=_instant(ended),
        error=stored.failure(texts[b"e"].decode()) if b"e" in texts else None,
        returned=_text(texts, b"r"),
        progress=kept.progress(_text(texts, b"p")),
        logs=kept.logs(_text(texts, b"l")),
        key=_text(texts, b"k"),
        stop_asked=stop_asked == b"1",
        retry=stored.retry(retry) if retry else None,
        timeout=_duration(timeout),
        deadline=stored.instant(int(deadline)) if deadline else None,
        trace=_text(texts, b"t"),
        unique_for=_duration(_text(texts, b"u")),
        keeps=kept.keeps(_text(texts, b"o")),
        limit_key=_text(texts, b"g") or "",
        link=_link(_text(texts, b"n"), _text(texts, b"c")),
        limited=newer[:1] == [b"1"],
    )  # fmt: skip


def _duration(text: str | None) -> timedelta | None:
    return stored.duration(int(text)) if text else None


def _instant(text: bytes) -> datetime | None:
    return stored.instant(int(text)) if text else None


def _text(texts: dict[bytes, bytes], letter: bytes) -> str | None:
    text = texts.get(letter)
    return None if text is None else text.decode()


def workers(told: object) -> list[SignedOn]:
    """The workers of workers.lua, in the order in which they came."""
    cards, leases = cast("tuple[list[bytes], list[bytes]]", told)
    ends = dict(zip(leases[::2], leases[1::2], strict=True))
    known = [
        _worker(id, card.split(b"\0"), ends[id]) for id, card in zip(cards[::2], cards[1::2], strict=True) if id in ends
    ]
    return sorted(known, key=lambda worker: (worker.signed_on, worker.id))


def _worker(id: bytes, card: Sequence[bytes], expires: bytes) -> SignedOn:
    host, pid, label, signed_on, leaving, *_ = card
    return SignedOn(
        id=WorkerId(id.decode()),
        host=host.decode(),
        pid=int(pid),
        label=label.decode(),
        signed_on=stored.instant(int(signed_on)),
        expires=stored.instant(min(int(float(expires)), stored.LAST_INSTANT)),
        leaving=leaving == b"1",
    )
