"""The command `stats`: how many tasks there are, what waits and for how long, and who works. Reads only."""

from __future__ import annotations

import asyncio

from afterwards.app import Afterwards
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.words import table
from afterwards.harmless import harmless
from afterwards.phrases import ago, duration
from afterwards.tasks import Census, SignedOn, State


def tell_stats(afterwards: Afterwards, *, json: bool) -> None:
    """Write the counts; where there is no store, that there is none, and JSON's null."""
    census = asyncio.run(_count(afterwards))
    if json:
        print_json(None if census is None else as_json(census))
    elif census is None:
        print_text(f"No tasks yet: there is no store in {where(afterwards)}.")
    else:
        print_text(in_words(census))


async def _count(afterwards: Afterwards) -> Census | None:
    if not exists(afterwards):
        return None
    store = afterwards.house.store
    try:
        return await store.census()
    finally:
        await store.close()


def as_json(census: Census) -> dict[str, object]:
    """For programs; instants in ISO 8601, by the store's clock."""
    return {
        "now": census.now.isoformat(),
        "tasks": {state: census.by_state.get(state, 0) for state in State},
        "due": census.waiting_due,
        "held": dict(census.held),
        "queues": [
            {
                "queue": queue,
                "waiting": census.waiting_by_queue.get(queue, 0),
                "oldest_due": _iso(census, queue),
                "paused": queue in census.paused,
            }
            for queue in _queues(census)
        ],
        "unknown_names": list(census.unknown_names),
        "workers": [_worker_as_json(worker, census) for worker in census.workers],
    }


def in_words(census: Census) -> str:
    """For people: the counts, a line for each queue in which something waits or that is paused, and for each worker."""
    parts = [_counts(census)]
    if queues := _queues(census):
        parts.append(table(("QUEUE", "WAITING", "OLDEST DUE", "PAUSED"), [_queue(queue, census) for queue in queues]))
    workers = [_worker(worker, census) for worker in census.workers]
    parts.append(table(("WORKER", "PROCESS", "SINCE", "STATE"), workers) if workers else "No worker is signed on.")
    return "\n\n".join(parts)


def _counts(census: Census) -> str:
    lines = [("tasks", ", ".join(f"{census.by_state.get(state, 0)} {state}" for state in State))]
    lines.append(("due", str(census.waiting_due)))
    lines += [("held", ", ".join(f"{count} {hold}" for hold, count in census.held.items()))] if census.held else []
    return "\n".join(f"{label:<8}{text}" for label, text in lines)


def _queues(census: Census) -> list[str]:
    return sorted({*census.waiting_by_queue, *census.paused})


def _queue(queue: str, census: Census) -> tuple[str, str, str, str]:
    since = census.oldest_due.get(queue)
    waits = "" if since is None else f"for {duration(census.now - since)}"
    paused = "paused" if queue in census.paused else ""
    return harmless(queue), str(census.waiting_by_queue.get(queue, 0)), waits, paused


def _state_of(worker: SignedOn, census: Census) -> str:
    if worker.expires < census.now:
        return "dead"
    return "leaving" if worker.leaving else "alive"


def _worker(worker: SignedOn, census: Census) -> tuple[str, str, str, str]:
    since = ago(worker.signed_on, census.now)
    return harmless(worker.label), str(worker.pid), since, _state_of(worker, census)


def _worker_as_json(worker: SignedOn, census: Census) -> dict[str, object]:
    return {
        "id": worker.id,
        "label": worker.label,
        "host": worker.host,
        "pid": worker.pid,
        "signed_on": worker.signed_on.isoformat(),
        "expires": worker.expires.isoformat(),
        "state": _state_of(worker, census),
    }


def _iso(census: Census, queue: str) -> str | None:
    since = census.oldest_due.get(queue)
    return None if since is None else since.isoformat()
