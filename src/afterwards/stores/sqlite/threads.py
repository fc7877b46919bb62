"""The three threads of a store: one writes, one keeps watch for its workers, one looks things up for people."""

from __future__ import annotations

from afterwards.asking import Tray
from afterwards.bell import Bell
from afterwards.stores.sqlite.clock import Clock
from afterwards.stores.sqlite.database import Database
from afterwards.stores.sqlite.errands import Errand
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.reader import Reader
from afterwards.stores.sqlite.writer import Writer


class Threads:
    """Each with its own connection; they start when they are first needed."""

    def __init__(self, place: Place, clock: Clock, *, migrates: bool) -> None:
        self.bell = Bell()
        self.database = Database(place, clock, migrates=migrates)
        self.writer = Writer(self.database, place, ring=self.bell.ring)
        self.tray = Tray[Errand](self.writer.desk.hand_in)
        self.watch = Reader("watch", place, clock, bell=self.bell, own_writes=lambda: self.writer.writes)
        self.look = Reader("look", place, clock)
        self._desks = (self.look.desk, self.watch.desk, self.writer.desk)  # the writer closes last, and tidies the log

    def close(self) -> None:
        """Work off what was asked and end."""
        for desk in self._desks:
            desk.close()

    def park(self) -> None:
        """Close all connections and stand still."""
        for desk in self._desks:
            desk.park()

    def unpark(self) -> None:
        """Go on."""
        for desk in self._desks:
            desk.unpark()

    def forget(self) -> None:
        """In a forked child: none of this is ours."""
        self.database.forget()
        self.watch.forget()
        self.look.forget()
