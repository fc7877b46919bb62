"""rq with either of its workers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from redis import Redis
from rq import Queue

from systems.contract import URL, Adder, System
from systems.record import run


def no_op(number: int, text: str) -> None:
    """What every task does."""
    run(number)


@asynccontextmanager
async def adding() -> AsyncGenerator[Adder]:
    """One queue."""
    queue = Queue(connection=Redis.from_url(URL))

    def add_many(numbers: Sequence[int], text: str) -> None:
        queue.enqueue_many([Queue.prepare_data(no_op, args=(number, text), result_ttl=0) for number in numbers])

    yield Adder(
        add_now=lambda number, text: queue.enqueue(no_op, number, text, result_ttl=0),
        add_many_now=add_many,
    )


def system(worker_class: str) -> System:
    """The system with that class of workers."""
    return System(adding=adding, worker=["-m", "systems.rq_system", worker_class])


def main() -> None:
    """What the documentation calls a custom worker script: it imports the code of the jobs before it forks."""
    import sys
    from importlib import import_module

    module, _, name = sys.argv[1].rpartition(".")
    worker = getattr(import_module(module), name)(["default"], connection=Redis.from_url(URL))
    worker.log_job_description = worker.log_result_lifespan = False
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    import systems.rq_system as _imported  # under the name that jobs are stored with

    _imported.main()
