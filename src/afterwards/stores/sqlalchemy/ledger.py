"""What was added to a transaction and waits for its commit, savepoint by savepoint. Knows nothing of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from afterwards.tasks import Call
from afterwards.transactions import Hand


class Owner(Protocol):
    """Who wants calls written and hears of the commit."""

    def write(self, hand: Hand, calls: Sequence[Call]) -> None:
        """Write these into the transaction."""
        ...

    def committed(self, calls: Sequence[Call]) -> None:
        """They are stored; none, where only the commit itself was of interest."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A call, or the wish to hear of the commit. `within` is the transaction or savepoint whose end decides on it.

    That is None while it is not known: the savepoint has just been released into the one around it. `written_in` is
    the one in which it was written, which may be a savepoint inside of that.
    """

    owner: Owner
    call: Call | None
    within: object
    is_written: bool
    written_in: object = None


class Ledger:
    """The entries of one session or connection."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.committing = False  # what is added now has missed the moment of writing
        self.connection: object = None  # whose last moments are listened to

    def add(self, owner: Owner, call: Call | None, within: object) -> None:
        """One more; it is written when its turn has come."""
        self._entries.append(Entry(owner=owner, call=call, within=within, is_written=call is None))

    @property
    def awaits_writing(self) -> bool:
        """Something is still to be written."""
        return any(not entry.is_written for entry in self._entries)

    def write(self, hand: Hand, within: object) -> None:
        """Write what belongs to this transaction or savepoint: the database undoes it together with that."""
        _write(hand, [entry for entry in self._entries if entry.within is within], within)

    def write_all(self, hand: Hand, innermost: object) -> None:
        """Write everything in the innermost savepoint: if that is rolled back, what is around it is written anew."""
        _write(hand, self._entries, innermost)

    def pass_on(self, within: object, outwards: object) -> None:
        """The savepoint was released: what is in it belongs to the one around it."""
        for entry in self._entries:
            if entry.within is within:
                entry.within = outwards
            if entry.written_in is within:
                entry.written_in = outwards

    def drop(self, within: object) -> None:
        """It was rolled back, with all that was written in it."""
        self._entries = [entry for entry in self._entries if entry.within is not within]
        for entry in self._entries:
            if entry.call is not None and entry.written_in is within:
                entry.is_written = False

    def places(self) -> list[object]:
        """The transactions and savepoints that something is in."""
        return list(dict.fromkeys(entry.within for entry in self._entries))

    def take(self) -> list[Entry]:
        """All entries that were written; nothing is remembered here any more."""
        entries, self._entries = self._entries, []
        return [entry for entry in entries if entry.is_written]


def tell(entries: Sequence[Entry]) -> None:
    """Tell their owners that these have been committed."""
    for owner in dict.fromkeys(entry.owner for entry in entries):
        owner.committed([entry.call for entry in entries if entry.owner is owner and entry.call is not None])


def _write(hand: Hand, entries: Sequence[Entry], place: object) -> None:
    waiting = [entry for entry in entries if not entry.is_written]
    for owner in dict.fromkeys(entry.owner for entry in waiting):
        owner.write(hand, [entry.call for entry in waiting if entry.owner is owner and entry.call is not None])
    for entry in waiting:
        entry.is_written, entry.written_in = True, place
