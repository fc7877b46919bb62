"""Writes what many callers ask for in one transaction; while that is made durable, the next gathers. No timers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from afterwards.asking import deliver
from afterwards.stores.sqlite.database import Database
from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.errands import Errand, Verb
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.transaction import Questions, Transaction
from afterwards.stores.sqlite.trouble import Trouble, told, trouble

_PAUSE = 0.005  # some locks are reported at once, without the wait of `connect`


class Writer:
    """Owns the writing connection. `ring` is called after a write that may have given somebody something to claim."""

    def __init__(self, database: Database, place: Place, *, ring: Callable[[], None]) -> None:
        self.desk = Desk("afterwards-writer", work=self._work, let_go=database.close)
        self._database = database
        self._place = place
        self._ring = ring
        self.writes = 0  # how many there have been

    def _work(self, errands: list[Errand]) -> None:
        """Write a batch. While somebody else holds the file, what comes in joins it, and what waited too long goes."""
        while errands:
            errands = self._attempt([errand for errand in errands if not errand.abandoned])

    def _attempt(self, errands: list[Errand]) -> list[Errand]:
        """Write all or nothing; returns what is to be tried once more."""
        try:
            self._write(errands)
        except Exception as error:  # of any kind: the thread must live, and every caller get an answer
            return self._after(error, errands)
        deliver(errands)
        return []

    def _write(self, errands: Sequence[Errand]) -> None:
        durable = any(errand.verb.durable for errand in errands)
        with self._database.transaction(durable=durable) as transaction:
            groups = _groups(errands)
            transaction.foresee(_questions(groups))
            for group in groups:
                _answer(transaction, group)
        self.writes += 1
        if transaction.rings:
            self._ring()

    def _after(self, error: Exception, errands: list[Errand]) -> list[Errand]:
        match trouble(error):
            case Trouble.LOCKED:
                time.sleep(_PAUSE)
                return self._in_time(errands, error) + self.desk.gathered()
            case Trouble.REFUSED:
                return self._apart(errands, error)
            case Trouble.AWAY | Trouble.BROKEN:
                self._database.close()
                self._refuse(errands, error)
                return []

    def _in_time(self, errands: list[Errand], error: Exception) -> list[Errand]:
        """Those that can still wait; the others are told now, and nothing of them is ever stored."""
        now = time.monotonic()
        self._refuse([errand for errand in errands if errand.deadline <= now], error)
        return [errand for errand in errands if errand.deadline > now]

    def _apart(self, errands: list[Errand], error: Exception) -> list[Errand]:
        """One of them cannot be written: halve the batch until it stands alone, so that only it fails."""
        if len(errands) > 1:
            middle = len(errands) // 2
            self._work(errands[:middle])
            self._work(errands[middle:])
            return []
        [errand] = errands
        if errand.verb.alone is not None and not errand.alone:
            errand.alone = True
            return [errand]
        self._refuse(errands, error)
        return []

    def _refuse(self, errands: Iterable[Errand], error: Exception) -> None:
        refused = list(errands)
        for errand in refused:
            errand.error = told(error, errand.verb.doing, self._place.path)
        deliver(refused)


def _groups(errands: Iterable[Errand]) -> list[list[Errand]]:
    """Those of one verb together, in their turn; those that are written alone come last, each for itself."""
    together: dict[Verb[object, object], list[Errand]] = defaultdict(list)
    alone: list[list[Errand]] = []
    for errand in errands:
        if errand.alone:
            alone.append([errand])
        else:
            together[errand.verb].append(errand)
    return [*sorted(together.values(), key=_turn), *alone]


def _turn(group: Sequence[Errand]) -> tuple[bool, bool]:
    """What was foreseen must be used before others change it. Settlements first: adds look for what those free."""
    verb = group[0].verb
    return verb.asks is None, verb.alone is None


def _questions(groups: Iterable[Sequence[Errand]]) -> Questions:
    """What these will want to read."""
    questions: Questions = {}
    for group in groups:
        asks = group[0].verb.asks
        if asks is not None and not group[0].alone:
            questions |= asks([errand.request for errand in group])
    return questions


def _answer(transaction: Transaction, group: Sequence[Errand]) -> None:
    first = group[0]
    if first.alone and first.verb.alone is not None:
        first.answer = first.verb.alone(transaction, first.request)
        return
    answers = first.verb.write(transaction, [errand.request for errand in group])
    for errand, answer in zip(group, answers, strict=True):
        errand.answer = answer
