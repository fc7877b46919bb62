"""A thread that owns a connection: it takes the errands that have gathered and works them off. It never shares it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from afterwards.asking import deliver
from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite.errands import Errand

_PARKING_TAKES_AT_MOST = 10.0


class _Park:
    """Asks the thread to let go of its connection and to stand still, since the process is about to fork."""

    def __init__(self) -> None:
        self.standing = threading.Event()
        self.onward = threading.Event()


class Desk:
    """Runs `work` in a thread of its own with the errands that came meanwhile; started by the first of them.

    `rest` says how long to wait for errands before `work` is called without any: None, as long as it takes. `let_go`
    closes the connection, at the end and before a fork; `work` opens it again when it needs one.
    """

    def __init__(
        self,
        name: str,
        *,
        work: Callable[[list[Errand]], None],
        let_go: Callable[[], None],
        rest: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._name = name
        self._work = work
        self._let_go = let_go
        self._rest = rest
        self._inbox: SimpleQueue[list[Errand] | _Park | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()
        self._parked: _Park | None = None
        self._closed = self._ending = False

    def hand_in(self, errands: list[Errand]) -> None:
        """Leave errands; from any thread. After `close` they fail with StoreUnavailable."""
        with self._changing:
            if not self._closed:
                self._inbox.put(errands)
                self._start()
                return
        _fail(errands, StoreUnavailable("the store was closed at this moment: try again, which opens it anew"))

    def gathered(self) -> list[Errand]:
        """What has come in by now; for `work`, which may take these along."""
        errands: list[Errand] = []
        try:
            while True:
                self._sort(self._inbox.get_nowait(), errands)
        except Empty:
            return errands

    def close(self) -> None:
        """Work off what was handed in, let go and end the thread."""
        with self._changing:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._inbox.put(None)
            thread.join()

    def park(self) -> None:
        """Return when the connection is closed and the thread stands still; not for ever, if it cannot."""
        if self._thread is not None:
            self._parked = _Park()
            self._inbox.put(self._parked)
            self._parked.standing.wait(_PARKING_TAKES_AT_MOST)

    def unpark(self) -> None:
        """Go on."""
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.onward.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ending:
            errands = self._next()
            try:
                self._work(errands)
            except Exception as error:  # an error of ours: whoever waits must hear of it, and the others be served
                _fail(errands, error)
        self._let_go()

    def _next(self) -> list[Errand]:
        errands: list[Errand] = []
        try:
            self._sort(self._inbox.get(timeout=self._rest()), errands)
        except Empty:
            return errands
        return errands + self.gathered()

    def _sort(self, message: list[Errand] | _Park | None, errands: list[Errand]) -> None:
        match message:
            case None:
                self._ending = True
            case _Park():
                self._let_go()
                message.standing.set()
                message.onward.wait()
            case handed_in:
                errands.extend(handed_in)


def _fail(errands: list[Errand], error: Exception) -> None:
    for errand in errands:
        errand.error = error
    deliver(errands)
