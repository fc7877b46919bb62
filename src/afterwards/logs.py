"""The only place that writes log lines: hears events, writes one line each to the logger `afterwards`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from afterwards import events
from afterwards.events import Event
from afterwards.harmless import harmless
from afterwards.log_fields import fields_of
from afterwards.outcomes import Ending
from afterwards.tasks import State, Task

logger = logging.getLogger("afterwards")

_LEVELS = {
    Ending.DONE: logging.DEBUG,
    Ending.FAILED: logging.ERROR,
    Ending.RETRIED: logging.WARNING,
    Ending.UNKNOWN: logging.ERROR,
}


def write_logs(event: Event) -> None:
    """Write the line of one event of those in `WRITTEN`."""
    writer = _WRITERS.get(type(event))
    if writer is not None:
        writer(event)


def _task_ended(event: events.TaskEnded) -> None:
    task, outcome = event.task, event.outcome
    level = _LEVELS.get(outcome.ending, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    line = f"{task.name} {task.id} {outcome.ending} after {outcome.took.total_seconds():.3f} s, attempt {task.attempt}"
    if outcome.ending is Ending.RETRIED:
        line += f", again in {outcome.delay.total_seconds():.1f} s"
    if outcome.error is not None:
        line += f": {outcome.error.kind}: {outcome.error.message}"
    if outcome.ending in (Ending.FAILED, Ending.RETRIED) and outcome.error is not None:
        line += f"\n{outcome.error.traceback}"
    logger.log(level, "%s", line.rstrip(), extra=fields_of(task))


def _task_resists(event: events.TaskResists) -> None:
    _about(event.task, logging.ERROR, "does not end when it is cancelled; the worker has stopped but for it")


def _task_overruns(event: events.TaskOverruns) -> None:
    _about(event.task, logging.ERROR, "goes on after its timeout; it keeps its place until it ends")


def _tasks_rescued(event: events.TasksRescued) -> None:
    for task in event.tasks:
        match task.state:
            case State.FAILED:
                _about(task, logging.ERROR, f"failed: it has taken {task.crashes} processes with it")
            case State.CANCELLED:
                _about(task, logging.WARNING, "was asked to stop, and its worker is gone: it is cancelled")
            case _:
                _about(task, logging.WARNING, "was on a worker that is gone; it runs again")


def _about(task: Task, level: int, says: str, error: BaseException | None = None) -> None:
    logger.log(level, "%s %s %s", task.name, task.id, says, exc_info=error, extra=fields_of(task))


def _store(event: events.StoreAway | events.StoreBack | events.StoreOpened) -> None:
    _be_heard_under_uvicorn()
    match event:
        case events.StoreOpened():
            worker = "worker in this process" if event.worker else "no worker in this process"
            logger.info("tasks are stored in %s; %s", event.description, worker)
            for warning in event.warnings:
                logger.warning("%s", warning)
        case events.StoreAway():
            logger.error("the store is away (%s): %s", event.doing, event.error)
        case events.StoreBack():
            logger.info("the store is back (%s)", event.doing)


def _worker(
    event: events.WorkerStarted | events.WorkerStopped | events.LeaseWasLost | events.NobodyWorks,
) -> None:
    match event:
        case events.WorkerStarted():
            queues = "all queues" if event.queues is None else ", ".join(event.queues)
            logger.info("worker %s serves %s, up to %d tasks at once", event.worker, queues, event.concurrency)
        case events.WorkerStopped():
            left = f"; {event.abandoned} tasks still run in threads" if event.abandoned else ""
            logger.info("worker %s stopped%s", event.worker, left)
        case events.LeaseWasLost():
            logger.warning("worker %s was believed dead: it drops what it runs and signs on anew", event.worker)
        case events.NobodyWorks():
            logger.warning(
                "tasks are stored, but this app runs without its lifespan, so no worker runs here: start "
                "`afterwards worker`, or in tests use `with TestClient(app)` or AFTERWARDS_MODE=inline"
            )


def _loss(
    event: events.ResultsDropped
    | events.ClaimsStrayed
    | events.LateAddFailed
    | events.RanLocally
    | events.LocalTaskFailed
    | events.FailedAfterDone,
) -> None:
    match event:
        case events.ResultsDropped():
            ids = ", ".join(str(claim.id) for claim in event.claims)
            logger.warning("results came too late and were dropped, another worker has the tasks: %s", ids)
        case events.ClaimsStrayed():
            ids = ", ".join(str(claim.id) for claim in event.claims)
            logger.warning("the store has forgotten how these runs ended, so they run again: %s", ids)
        case events.LateAddFailed():
            ids = ", ".join(map(str, event.ids))
            logger.error("tasks added after the response had begun could not be stored: %s (%s)", ids, event.error)
        case events.RanLocally():
            logger.warning("%s runs in this process only, not durably: %s", event.function, event.why)
        case events.LocalTaskFailed():
            logger.error("%s, which ran locally, failed", event.function, exc_info=event.error)
        case events.FailedAfterDone():
            _about(event.task, logging.ERROR, "is done, but failed afterwards", event.error)


def _steered(event: events.Steered) -> None:
    subjects = ", ".join(map(harmless, event.subjects))  # a name with an end of line in it could forge a line
    logger.info("%s: %s, by %s", event.verb, subjects, harmless(event.by))


def _be_heard_under_uvicorn() -> None:
    """Where nobody has configured logging, the start-up line would reach no one: write where uvicorn writes."""
    uvicorn = logging.getLogger("uvicorn")
    if logger.hasHandlers() or not uvicorn.handlers:
        return
    for handler in uvicorn.handlers:
        logger.addHandler(handler)
    logger.setLevel(uvicorn.getEffectiveLevel())


def _loop_failed(event: events.LoopFailed) -> None:
    logger.error("the %s loop failed and goes on: %s", event.loop, event.error, exc_info=event.error)


def _hook_failed(event: events.HookFailed) -> None:
    _about(event.task, logging.ERROR, f"has failed, and {event.hook}, which was told so, failed too", event.error)


def _ear_failed(event: events.EarFailed) -> None:
    logger.error("%s raised and is not called any more", event.ear, exc_info=event.error)


_WRITERS: dict[type[Event], Callable[..., None]] = {
    events.TaskEnded: _task_ended,
    events.TaskResists: _task_resists,
    events.TaskOverruns: _task_overruns,
    events.TasksRescued: _tasks_rescued,
    events.StoreAway: _store,
    events.StoreBack: _store,
    events.StoreOpened: _store,
    events.WorkerStarted: _worker,
    events.WorkerStopped: _worker,
    events.LeaseWasLost: _worker,
    events.NobodyWorks: _worker,
    events.ResultsDropped: _loss,
    events.ClaimsStrayed: _loss,
    events.LateAddFailed: _loss,
    events.RanLocally: _loss,
    events.LocalTaskFailed: _loss,
    events.FailedAfterDone: _loss,
    events.Steered: _steered,
    events.LoopFailed: _loop_failed,
    events.HookFailed: _hook_failed,
    events.EarFailed: _ear_failed,
}
WRITTEN = tuple(_WRITERS)
