"""A child's end of the socket to its supervisor: sends reports, hears what is wanted, notices when that has gone.

In threads of its own, so that a task which blocks the event loop neither silences the child nor lets it outlive its
supervisor.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from afterwards.supervisor.limits import Limits
from afterwards.supervisor.reports import CannotStart, Report, Wanted, to_line
from afterwards.supervisor.watch import Watch
from afterwards.supervisor.wish import Wish

REPORT_EVERY = 1.0  # seconds
LAST_STEPS = timedelta(seconds=15)  # to cancel what is left, to settle, to sign off: beyond `grace`


class Channel:
    """`stop` and `rest` are told when the supervisor says so; `stop` also when it has gone. `end` ends the process."""

    def __init__(self, descriptor: int, limits: Limits, *, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)  # a program that a task starts must not keep it open
        self._speaking = threading.Lock()  # a long line takes more than one write
        self._news = threading.Event()
        self.watch = Watch(limits.spread(), changed=self._news.set)
        self.stop, self.rest = Wish(), Wish()
        self.grace = timedelta(0)
        self._closed = False

    def start(self) -> None:
        """Begin to speak and to listen."""
        for loop in (self._listen, self._speak):
            threading.Thread(target=loop, name=f"afterwards-child{loop.__name__}", daemon=True).start()

    def told_to_stop(self) -> None:
        """By somebody else than the supervisor."""
        self._hear(Wanted.STOP)

    def cannot_start(self, text: str) -> None:
        """The last that is said."""
        self._send(CannotStart(text=text))

    def close(self) -> None:
        """The work is done, or cannot begin. What keeps the process from ending, a thread perhaps, may not for long."""
        self._closed = True
        self.stop.tell()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        with self._socket.makefile("r", encoding="ascii") as lines, contextlib.suppress(OSError):
            for line in lines:
                self._hear(Wanted(line.strip()))
        if not self._closed:
            self._hear(Wanted.STOP)

    def _hear(self, wanted: Wanted) -> None:
        if not self.watch.up:
            self._end(0)  # nothing runs here yet
        match wanted:
            case Wanted.STOP:
                self.stop.tell()
            case Wanted.REST:
                self.rest.tell()

    def _speak(self) -> None:
        is_heard, end_by = True, math.inf
        while time.monotonic() < end_by:
            is_heard = is_heard and self._send(self.watch.report())
            if self.stop.told and end_by == math.inf:
                end_by = time.monotonic() + (self.grace + LAST_STEPS).total_seconds()
            self._news.wait(REPORT_EVERY)
            self._news.clear()
        self._end(1)  # a task blocks the event loop, or resists: what runs now will run again

    def _send(self, said: Report | CannotStart) -> bool:
        try:
            with self._speaking:
                self._socket.sendall(to_line(said))
        except OSError:  # the supervisor has gone, which `_listen` notices too
            return False
        return True
