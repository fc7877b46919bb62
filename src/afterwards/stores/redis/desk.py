"""A thread with a connection of its own: it sends the errands that have gathered, and tries again while callers wait.

While one round trip is under way, the next gathers; no timers. A server that is away is asked again and again, with
growing pauses, until nobody waits any more; what may have been done without an answer is asked for under its old token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from secrets import token_hex

from afterwards.asking import deliver
from afterwards.chance import jittered
from afterwards.errors import StoreUnavailable
from afterwards.stores.redis.errands import Errand, Group, grouped
from afterwards.stores.redis.line import Line
from afterwards.stores.redis.lost import Lost
from afterwards.stores.redis.trouble import Trouble, told, trouble

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Desk:
    """Started by the first errand. `patience` is how long a server may be away before errands are refused at once."""

    def __init__(self, name: str, line: Line, lost: Lost, *, patience: float) -> None:
        self._name = f"afterwards-{name}"
        self._line = line
        self._lost = lost
        self._patience = patience
        self._place = line.address.description
        self._inbox: SimpleQueue[list[Errand] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()
        self._closed = self._ending = False
        self._away_since: float | None = None
        self._pause = _FIRST_PAUSE
        self.trouble: Exception | None = None
        self._new_token = _tokens()

    def hand_in(self, errands: list[Errand]) -> None:
        """Leave errands; from any thread. After `close` they fail with StoreUnavailable."""
        with self._changing:
            if not self._closed:
                self._inbox.put(errands)
                self._start()
                return
        _refuse(errands, StoreUnavailable("the store was closed at this moment: try again, which opens it anew"))

    def close(self) -> None:
        """Work off what was handed in, as far as the server is there, let go and end the thread."""
        with self._changing:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._inbox.put(None)
            thread.join()

    def forget(self) -> None:
        """In a forked child: the thread is not here, and the connection is the parent's."""
        self._line.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        groups: list[Group] = []
        while groups or not self._ending:
            groups += grouped(self._gathered(wait=not groups), self._new_token)
            try:
                groups = self._attempt(groups)
            except Exception as error:  # an error of ours: whoever waits must hear of it, and the others be served
                for group in groups:
                    _refuse(group.errands, error)
                groups = []
        self._line.close()

    def _gathered(self, *, wait: bool) -> list[Errand]:
        """What has come in by now; with `wait` there is something."""
        errands: list[Errand] = []
        try:
            if wait and not self._ending:
                self._sort(self._inbox.get(), errands)
            while True:
                self._sort(self._inbox.get_nowait(), errands)
        except Empty:
            return errands

    def _sort(self, message: list[Errand] | None, errands: list[Errand]) -> None:
        if message is None:
            self._ending = True
        else:
            errands.extend(message)

    def _attempt(self, groups: list[Group]) -> list[Group]:
        """One try for all of them; those that are to be tried once more."""
        wanted = [group for group in groups if self._is_wanted(group)]
        if not wanted:
            return []
        for group in wanted:
            self._recall(group)
        self._line.talk(wanted)
        again = [group for group in wanted if not self._is_over(group)]
        if again:
            self._rest()
        return again

    def _is_wanted(self, group: Group) -> bool:
        """Somebody waits for it, or did when it was sent, and then it is not forgotten."""
        if group.forget_abandoned():
            return True
        self._lose(group)
        return False

    def _recall(self, group: Group) -> None:
        """It may be one that was given up."""
        if group.verb.recall is not None and not group.is_again:
            token = group.verb.recall(self._lost, group.errands[0].request)
            if token is not None:
                group.token, group.is_again = token, True

    def _lose(self, group: Group) -> None:
        if group.is_again and group.verb.lose is not None:
            for errand in group.errands:
                group.verb.lose(self._lost, errand.request, group.token)

    def _is_over(self, group: Group) -> bool:
        """Deliver what became of it; False if it is worth another try."""
        error = group.error
        if error is None:
            self._is_back()
            deliver(group.errands)
            return True
        if trouble(error) is Trouble.AWAY:
            self._is_away(error)
            if not self._ending and (group.is_again or not self._is_long_away()):
                return False
        self._lose(group)
        for errand in group.errands:
            errand.error = told(error, group.verb.doing, self._place)
        deliver(group.errands)
        return True

    def _is_back(self) -> None:
        self._away_since, self._pause, self.trouble = None, _FIRST_PAUSE, None

    def _is_away(self, error: Exception) -> None:
        self.trouble = error
        if self._away_since is None:
            self._away_since = time.monotonic()

    def _is_long_away(self) -> bool:
        return self._away_since is not None and time.monotonic() - self._away_since > self._patience

    def _rest(self) -> None:
        time.sleep(jittered(self._pause))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def _refuse(errands: list[Errand], error: Exception) -> None:
    for errand in errands:
        errand.error = error
    deliver(errands)


def _tokens() -> Callable[[], str]:
    """Makes tokens that no other desk makes, nor that of a forked child."""
    ours, numbers = token_hex(5), count()
    return lambda: f"{ours}{next(numbers):x}"
