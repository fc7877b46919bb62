"""What the count of a store's tasks and workers says about its set-up. Pure."""

from __future__ import annotations

import shlex
from datetime import datetime

from afterwards.checkup import Finding, note, well, wrong
from afterwards.cli.words import tasks_that
from afterwards.harmless import harmless
from afterwards.phrases import ago
from afterwards.tasks import Census, Hold, SignedOn, State


def judge(census: Census, *, app_works: bool) -> list[Finding]:
    """The findings; `app_works` is False when the app is told to run no worker."""
    return [
        _about_tasks(census),
        _about_workers(census, app_works=app_works),
        *[_about_dead(worker, census) for worker in _dead(census)],
        *_about_unknown(census),
        *_about_paused(census),
        *_about_failed(census),
    ]


def nobody_works_here() -> Finding:
    """There is no store to count in, but nobody would work on it either."""
    return wrong("workers", _NO_APP_WORKER)


_START_ONE = "start the app, or `afterwards worker main:afterwards`"
_NO_APP_WORKER = (
    "AFTERWARDS_WORKER=0 or worker=False: the app runs no worker, and no other is signed on, so that nothing will "
    "ever run: start `afterwards worker main:afterwards`"
)


def _about_tasks(census: Census) -> Finding:
    counts = ", ".join(f"{census.by_state.get(state, 0)} {state}" for state in State)
    reasons = {
        "for one before": census.held.get(Hold.AFTER, 0),
        "for a place within a limit": census.held.get(Hold.LIMIT, 0),
        "for a rate": census.held.get(Hold.RATE, 0),
    }
    return well(
        "tasks",
        "; ".join(
            [counts, *(f"{held} {'waits' if held == 1 else 'wait'} {why}" for why, held in reasons.items() if held)]
        ),
    )


def _about_workers(census: Census, *, app_works: bool) -> Finding:
    alive = [worker for worker in census.workers if worker.expires >= census.now]
    if alive:
        return well("workers", f"{len(alive)} signed on: {', '.join(map(_named, alive))}")
    if not app_works:
        return wrong("workers", _NO_APP_WORKER)
    if census.waiting_due or census.by_state.get(State.RUNNING, 0):
        due = tasks_that(census.waiting_due, "is", "are")
        return wrong("workers", f"nobody works: {due} due, and no worker is signed on: {_START_ONE}")
    return note("workers", f"none is signed on, and nothing is due; when there is: {_START_ONE}")


def _dead(census: Census) -> list[SignedOn]:
    return [worker for worker in census.workers if worker.expires < census.now]


def _about_dead(worker: SignedOn, census: Census) -> Finding:
    says = f"{_named(worker)} is dead: its lease ended {_ended(worker.expires, census.now)}"
    if len(_dead(census)) < len(census.workers):
        return note("workers", f"{says}; the others take over its tasks")
    return wrong("workers", f"{says}; what it ran goes on when another works: {_START_ONE}")


def _about_unknown(census: Census) -> list[Finding]:
    if not census.unknown_names:
        return []
    names = ", ".join(map(harmless, census.unknown_names))
    held = tasks_that(census.held.get(Hold.UNKNOWN, 0), "waits", "wait")
    says = (
        f"{held} for functions that no worker knows: {names}. Start a worker "
        'whose code has them; after a renaming give the new one the old name, `@task(name="…")`; or cancel them'
    )
    return [wrong("functions", says)]


def _about_paused(census: Census) -> list[Finding]:
    return [
        note(
            "queues",
            f"{harmless(queue)} is paused, {tasks_that(census.waiting_by_queue.get(queue, 0), 'waits', 'wait')} in it; "
            f"`afterwards resume {harmless(shlex.quote(queue))}` lets it go on",
        )
        for queue in census.paused
    ]


def _about_failed(census: Census) -> list[Finding]:
    failed = census.by_state.get(State.FAILED, 0)
    if not failed:
        return []
    return [note("failed", f"{tasks_that(failed, 'has', 'have')} failed: `afterwards list --state failed`")]


def _named(worker: SignedOn) -> str:
    return f"{harmless(worker.label)} (process {worker.pid})"


def _ended(expires: datetime, now: datetime) -> str:
    return ago(expires, now)
