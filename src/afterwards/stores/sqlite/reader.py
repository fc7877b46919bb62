"""Reads on a connection of its own that cannot write, so that closing it never touches the log."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence

from afterwards.asking import deliver
from afterwards.bell import Bell
from afterwards.stores.sqlite.clock import Clock
from afterwards.stores.sqlite.database import File, abandon, connect, file_at
from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.errands import Errand
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.transaction import Transaction
from afterwards.stores.sqlite.trouble import Trouble, told, trouble

_LOOK_EVERY, _LOOK_SOON, _SOON_FOR = 0.05, 0.01, 3.0  # seconds; soon while others keep writing
_PAUSE = 0.005


class Reader:
    """Answers reads one after another. With a `bell` it also looks, while somebody listens, whether others wrote.

    `own_writes` counts those of this process, which ring by themselves.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        clock: Clock,
        *,
        bell: Bell | None = None,
        own_writes: Callable[[], int] = lambda: 0,
    ) -> None:
        self.desk = Desk(f"afterwards-{name}", work=self._work, let_go=self._close, rest=self._rest)
        self._place = place
        self._clock = clock
        self._bell = bell
        self._connection: sqlite3.Connection | None = None
        self._file: File | None = None
        self._version = 0
        self._own_writes, self._own, self._soon_until = own_writes, 0, 0.0

    def forget(self) -> None:
        """In a forked child: what is open is the parent's."""
        abandon(self._connection)
        self._connection = None

    def _rest(self) -> float | None:
        if self._bell is None or not self._bell.heard:
            return None
        return _LOOK_SOON if time.monotonic() < self._soon_until else _LOOK_EVERY

    def _work(self, errands: list[Errand]) -> None:
        for errand in errands:
            if not errand.abandoned:
                self._answer(errand)
        if self._bell is not None and self._bell.heard:
            self._look(self._bell)

    def _answer(self, errand: Errand) -> None:
        while not self._answered(errand):
            time.sleep(_PAUSE)
        deliver([errand])

    def _answered(self, errand: Errand) -> bool:
        """Read; False when the file is locked and there is time to try once more."""
        try:
            [errand.answer] = self._read(errand)
        except Exception as error:  # of any kind: the thread must live, and the caller get an answer
            self._close()
            if trouble(error) is Trouble.LOCKED and time.monotonic() < errand.deadline:
                return False
            errand.error = told(error, errand.verb.doing, self._place.path)
        return True

    def _read(self, errand: Errand) -> Sequence[object]:
        return errand.verb.write(Transaction(self._opened(), self._clock.now()), [errand.request])

    def _look(self, bell: Bell) -> None:
        """Cheap: SQLite keeps a number that grows with every commit of another connection."""
        try:
            [version] = self._opened().execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, OSError):
            self._close()
            return
        if version == self._version:
            return
        self._version = version
        own, before = self._own_writes(), self._own
        self._own = own
        if own == before:
            self._soon_until = time.monotonic() + _SOON_FOR
        bell.ring()

    def _opened(self) -> sqlite3.Connection:
        path = self._place.path
        if self._connection is not None and self._file != file_at(path):
            self._close()  # somebody removed or replaced the file
        if self._connection is None:
            self._connection, self._file, self._version = connect(path, "ro"), file_at(path), 0
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
