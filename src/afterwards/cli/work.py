"""The command `worker`: tasks without the web app, in this process or in children that a supervisor keeps running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass, replace

from afterwards import environment
from afterwards.cli.instance import check_environment, imported, parted
from afterwards.cli.lines import LogFormat, write_lines
from afterwards.cli.loops import Loop, run
from afterwards.cli.trouble import Trouble, UsedWrongly
from afterwards.errors import AfterwardsError
from afterwards.house import House
from afterwards.supervisor.channel import Channel
from afterwards.supervisor.child import HELD_BACK
from afterwards.supervisor.health import Health, Seen
from afterwards.supervisor.limits import Limits
from afterwards.supervisor.probes import answering
from afterwards.supervisor.reload import can_watch
from afterwards.supervisor.supervisor import Plan, Supervisor
from afterwards.supervisor.watch import Watch
from afterwards.supervisor.wish import Wish
from afterwards.supervisor.working import on_signals
from afterwards.supervisor.working import work as work_until

IS_WINDOWS = sys.platform == "win32"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one worker process is like; None is as the `Afterwards` at `place` says."""

    place: str
    concurrency: int | None
    threads: int | None
    queues: tuple[str, ...]
    verbose: bool
    log_format: LogFormat
    loop: Loop
    limits: Limits

    def words(self) -> list[str]:
        """The command line of a child of this shape."""
        options = (
            ("--concurrency", self.concurrency),
            ("--threads", self.threads),
            ("--max-tasks", self.limits.max_tasks),
            ("--max-memory", None if self.limits.max_memory is None else f"{self.limits.max_memory // 1024}K"),
            ("--log-format", self.log_format),
            ("--loop", self.loop),
            *(("--queue", queue) for queue in self.queues),
        )
        words = [f"{name}={value}" for name, value in options if value is not None]
        return ["worker", self.place, *words, *(["--verbose"] if self.verbose else [])]


def work(
    shape: Shape,
    *,
    processes: int,
    health: tuple[str, int] | None,
    reload: bool,
    child: tuple[int, int] | None,
) -> int:
    """Until told to stop; the exit code. Raises Trouble, UsedWrongly, StoreUnusable, CannotListen."""
    if child is not None:
        return work_as_child(shape, number=child[0], descriptor=child[1])
    if processes > 1 or reload or shape.limits != Limits():
        return supervise(shape, processes=processes, health=health, reload=reload)
    work_here(shape, health=health)
    return 0


def as_child(text: str) -> tuple[int, int]:
    """`2:7`: the second child, told what to do on descriptor 7. Raises ValueError."""
    number, _, descriptor = text.partition(":")
    return int(number), int(descriptor)


def work_here(shape: Shape, *, health: tuple[str, int] | None) -> None:
    """Work in this process until told to stop. Raises Trouble, StoreUnusable, CannotListen."""
    _begin(shape, "")
    watch, stop = Watch(Limits()), Wish()
    with contextlib.ExitStack() as stack:
        if health is not None:
            stack.enter_context(answering(health, lambda: _health_of(watch, stop)))
        house = _house(shape)
        on_signals(stop.tell, heeded=_SIGNALS)
        run(shape.loop, work_until(house, watch, stop=stop, rest=Wish()))


def work_as_child(shape: Shape, *, number: int, descriptor: int) -> int:
    """Work as one of a supervisor's children; what is wrong is told to it alone. The exit code."""
    channel = Channel(descriptor, shape.limits)
    channel.start()
    _heed_signals(channel)
    try:
        _begin(shape, f"worker-{number}")
        house = _house(shape)
        channel.grace = house.settings.options.grace
        _heed_signals(channel)  # again: the user's module may have taken them
        run(shape.loop, work_until(house, channel.watch, stop=channel.stop, rest=channel.rest))
    except (Trouble, UsedWrongly, AfterwardsError) as error:
        channel.cannot_start(str(error))
        return 2 if isinstance(error, UsedWrongly) else 1
    finally:
        channel.close()
    return 0


def supervise(shape: Shape, *, processes: int, health: tuple[str, int] | None, reload: bool) -> int:
    """Keep children running until told to stop; the exit code. Raises Trouble, UsedWrongly, CannotListen."""
    if IS_WINDOWS:
        raise UsedWrongly(
            "one process only on Windows, without --max-tasks, --max-memory and --reload: start several "
            "`afterwards worker` in place of --processes"
        )
    if reload and not can_watch():
        raise Trouble("--reload needs watchfiles: pip install 'afterwards[reload]'")
    parted(shape.place)  # said at once, and not by a child after the other
    _begin(shape, "supervisor")
    # -P: a file of the user's that is called as one of ours must not be found in its place.
    command = [sys.executable, "-P", "-m", "afterwards", *shape.words()]
    supervisor = Supervisor(Plan(command=command, processes=processes, health=health, reload=reload))
    return asyncio.run(supervisor.run())


def _begin(shape: Shape, process: str) -> None:
    check_environment()
    if environment.runs_inline():
        raise Trouble(
            "AFTERWARDS_MODE is set, which is for tests: tasks then run where they are added, not in a worker"
        )
    write_lines(shape.log_format, process)
    if shape.verbose:
        logging.getLogger("afterwards").setLevel(logging.DEBUG)


def _house(shape: Shape) -> House:
    house = imported(shape.place).house
    options = house.settings.options
    options = replace(
        options,
        concurrency=shape.concurrency or options.concurrency,
        threads=shape.threads or options.threads,
        queues=shape.queues or options.queues,
    )
    house.settings = replace(house.settings, worker=True, options=options)
    return house


def _health_of(watch: Watch, stop: Wish) -> Health:
    return Health(processes=[Seen(number=1, pid=os.getpid(), report=watch.report())], stopping=stop.told)


def _heed_signals(channel: Channel) -> None:
    signal.signal(signal.SIGINT, _leave_to_supervisor)
    on_signals(channel.told_to_stop, heeded=(signal.SIGTERM,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def _leave_to_supervisor(number: int, frame: object) -> None:
    """Ctrl-C reaches all processes of a terminal; what it means for this one the supervisor says."""
