"""The command `stats`: how many tasks there are, what waits and for how long, how fast it goes, and who works.

Reads only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from afterwards.app import Afterwards
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.words import table
from afterwards.harmless import harmless
from afterwards.phrases import ago, duration
from afterwards.store import Store
from afterwards.tasks import Census, SignedOn, State
from afterwards.throughput import AMONG, LATELY, Throughput, pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the store has counted: how it is now, and what ended lately."""

    census: Census
    lately: Throughput


def tell_stats(afterwards: Afterwards, *, json: bool) -> None:
    """Write the counts; where there is no store, that there is none, and JSON's null."""
    counts = asyncio.run(_counts(afterwards))
    if json:
        print_json(None if counts is None else as_json(counts))
    elif counts is None:
        print_text(f"No tasks yet: there is no store in {where(afterwards)}.")
    else:
        print_text(in_words(counts))


async def _counts(afterwards: Afterwards) -> Counts | None:
    if not exists(afterwards):
        return None
    store = afterwards.house.store
    try:
        return await count(store)
    finally:
        await store.close()


async def count(store: Store) -> Counts:
    """Ask the store, which has been opened or can be."""
    return Counts(census=await store.census(), lately=await store.throughput(within=LATELY, limit=AMONG))


def as_json(counts: Counts) -> dict[str, object]:
    """For programs; instants in ISO 8601, by the store's clock."""
    census, lately = counts.census, counts.lately
    return {
        "now": census.now.isoformat(),
        "tasks": {state: census.by_state.get(state, 0) for state in State},
        "due": census.waiting_due,
        "held": dict(census.held),
        "ended_since": lately.since.isoformat(),
        "queues": [
            {
                "queue": queue,
                "waiting": census.waiting_by_queue.get(queue, 0),
                "oldest_due": _iso(census, queue),
                "ended": lately.of(queue),
                "paused": queue in census.paused,
            }
            for queue in _queues(counts)
        ],
        "unknown_names": list(census.unknown_names),
        "workers": [_worker_as_json(worker, census) for worker in census.workers],
    }


def in_words(counts: Counts) -> str:
    """For people: the counts, a line for each queue in which something waits or ended or that is paused, and worker."""
    census = counts.census
    parts = [_totals(census)]
    if queues := _queues(counts):
        lately = f"LAST {duration(counts.lately.length).upper()}"
        rows = [_queue(queue, counts) for queue in queues]
        parts.append(table(("QUEUE", "WAITING", "OLDEST DUE", lately, "PAUSED"), rows))
    workers = [_worker(worker, census) for worker in census.workers]
    parts.append(table(("WORKER", "PROCESS", "SINCE", "STATE"), workers) if workers else "No worker is signed on.")
    return "\n\n".join(parts)


def _totals(census: Census) -> str:
    lines = [("tasks", ", ".join(f"{census.by_state.get(state, 0)} {state}" for state in State))]
    lines.append(("due", str(census.waiting_due)))
    lines += [("held", ", ".join(f"{count} {hold}" for hold, count in census.held.items()))] if census.held else []
    return "\n".join(f"{label:<8}{text}" for label, text in lines)


def _queues(counts: Counts) -> list[str]:
    return sorted({*counts.census.waiting_by_queue, *counts.census.paused, *counts.lately.by_queue})


def _queue(queue: str, counts: Counts) -> tuple[str, str, str, str, str]:
    census, ended = counts.census, counts.lately.of(queue)
    since = census.oldest_due.get(queue)
    waits = "" if since is None else f"for {duration(census.now - since)}"
    goes = pace(ended, counts.lately.length) if ended else ""
    paused = "paused" if queue in census.paused else ""
    return harmless(queue), str(census.waiting_by_queue.get(queue, 0)), waits, goes, paused


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
