"""Works off errands on one connection: what came in while it wrote is the next write. No timers, no pool.

It goes on for ever: while the database is away it connects anew, ever more slowly, and tells those that cannot wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from afterwards.asking import deliver
from afterwards.chance import jittered
from afterwards.errors import StoreUnavailable
from afterwards.stores.postgres.base import Base
from afterwards.stores.postgres.errands import Errand, Verb
from afterwards.stores.postgres.link import Link
from afterwards.stores.postgres.transaction import Transaction
from afterwards.stores.postgres.trouble import ConnectionLost, Trouble, is_wrong_setup, told, trouble, unusable

_LOCK_PAUSE = 0.02
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_LONGEST_CONNECTING = 5.0
_LARGEST_WRITE = 1000  # errands
_HEAVIEST_WRITE = 8 * 2**20  # characters: what the server takes in well before its time is over


class Desk:
    """`slowest` is how many seconds the server gets at least for what is asked in one write."""

    def __init__(self, link: Link, base: Base, *, slowest: float, ring: Callable[[], None]) -> None:
        self._link, self._base, self._slowest, self._ring = link, base, slowest, ring
        self._waiting: list[Errand] = []
        self._later: list[Errand] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._away_since: float | None = None
        self._pause = _FIRST_PAUSE
        self._one_stood_apart = False
        self.closing = False

    def take(self, errands: Iterable[Errand]) -> None:
        """Lay errands on it; in the office's loop."""
        self._waiting.extend(errands)
        if self._waiting:
            self._idle.clear()
            self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            while errands := self._next():
                await self._work(errands)
            self._arrived.clear()
            self._idle.set()

    async def finish(self) -> None:
        """Wait until everything has been worked off; what meets trouble from now on is not tried again."""
        self.closing = True
        later, self._later = self._later, []
        self.take(later)
        await self._idle.wait()

    async def let_go(self) -> None:
        """Close the connection; the next errand opens it again."""
        await self._link.close()

    def _next(self) -> list[Errand]:
        """What is written next: the others together, and in turn with them one of those that stand apart."""
        deliver([errand for errand in self._waiting if errand.abandoned])
        apart, others = _parted(
            [errand for errand in self._waiting if not errand.abandoned], lambda errand: errand.apart
        )
        overdue, apart = _parted(apart, lambda errand: errand.obstacle is not None and errand.is_overdue())
        for errand in overdue:
            self._refuse([errand], errand.obstacle or StoreUnavailable())
        self._one_stood_apart = bool(apart) and not (others and self._one_stood_apart)
        some = apart[:1] if self._one_stood_apart else others[: _as_many_as_fit(others)]
        taken = set(some)
        self._waiting = [errand for errand in (*apart, *others) if errand not in taken]
        return some

    async def _work(self, errands: list[Errand]) -> None:
        try:
            await self._write(errands)
        except Exception as error:  # of any kind: the desk must live, and every caller get an answer
            await self._after(error, errands)
        else:
            self._away_since, self._pause = None, _FIRST_PAUSE
            deliver(errands)

    async def _write(self, errands: Sequence[Errand]) -> None:
        groups = _groups(errands)
        await self._link.open(min(self._time_for(errands), _LONGEST_CONNECTING))
        begin = self._link.statement if _is_one_statement(groups) else self._link.transaction
        sent_again = any(errand.in_doubt for errand in errands)
        async with begin(self._base.offset, timeout=self._time_for(errands), sent_again=sent_again) as transaction:
            for group in groups:
                await _answer(transaction, group)
        if transaction.rings:
            self._ring()

    def _time_for(self, errands: Sequence[Errand]) -> float:
        """Half of what the first of them can wait, so that there is a second try; but enough for a sound server."""
        left = min(errand.deadline for errand in errands) - time.monotonic()
        return max(min(left, self._base.patience) / 2, self._slowest)

    async def _after(self, error: Exception, errands: list[Errand]) -> None:
        match trouble(error):
            case Trouble.LOCKED:
                await self._after_lock(error, errands)
            case Trouble.REFUSED:
                await self._after_refusal(error, errands)
            case Trouble.AWAY:
                await self._after_loss(error, errands)
            case Trouble.BROKEN:
                await self._link.close()
                self._refuse(errands, error)

    async def _after_lock(self, error: Exception, errands: list[Errand]) -> None:
        """Somebody holds a lock: halve the batch until it stands alone, so that only that one waits."""
        overdue, errands = _parted(errands, Errand.is_overdue)
        self._refuse(overdue, error)
        if len(errands) > 1:
            await self._halve(errands)
        elif self.closing:
            self._refuse(errands, error)
        else:
            for errand in errands:
                self._set_aside(errand, error)

    def _set_aside(self, errand: Errand, error: Exception) -> None:
        errand.obstacle = error
        self._later.append(errand)
        asyncio.get_running_loop().call_later(_LOCK_PAUSE, self._take_again, errand)

    def _take_again(self, errand: Errand) -> None:
        if errand in self._later:
            self._later.remove(errand)
            self.take([errand])

    async def _after_refusal(self, error: Exception, errands: list[Errand]) -> None:
        """One of them cannot be written: halve the batch until it stands alone, so that only it fails."""
        if len(errands) > 1:
            await self._halve(errands)
        elif errands[0].verb.alone is not None and not errands[0].careful:
            errands[0].careful = True
            await self._work(errands)
        else:
            self._refuse(errands, error)

    async def _halve(self, errands: list[Errand]) -> None:
        middle = len(errands) // 2
        await self._work(errands[:middle])
        await self._work(errands[middle:])

    async def _after_loss(self, error: Exception, errands: list[Errand]) -> None:
        """Try again with a new connection, as long as the callers can wait."""
        await self._link.close()
        if self._base.identity is None and is_wrong_setup(error):
            self._refuse(errands, unusable(error, self._base.place))
            return
        was_lost = isinstance(error, ConnectionLost)
        if isinstance(error, ConnectionLost) and error.in_doubt:
            for errand in errands:
                errand.lose()
        self._away_since = self._away_since or time.monotonic()
        waiting = [errand for errand in errands if self._may_wait(errand)]
        self._refuse([errand for errand in errands if errand not in waiting], error)
        self._waiting[:0] = waiting
        if not was_lost or self._pause > _FIRST_PAUSE:  # after a loss there may be a server at once
            await asyncio.sleep(jittered(self._pause))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _may_wait(self, errand: Errand) -> bool:
        """Once the database has been away for longer than anybody waits, who comes is told at once."""
        now = time.monotonic()
        if self.closing or (errand.in_doubt and not errand.verb.again):
            return False
        if errand.asker is None:
            return errand.deadline > now
        return errand.deadline > now and now - (self._away_since or now) < self._base.patience

    def _refuse(self, errands: Sequence[Errand], error: Exception) -> None:
        for errand in errands:
            errand.error = self._told(error, errand)
            if errand.in_doubt:
                errand.give_back_claims(None)
        deliver(errands)

    def _told(self, error: Exception, errand: Errand) -> Exception:
        words = told(error, errand.verb.doing, self._base.place)
        if not errand.in_doubt or not isinstance(words, StoreUnavailable):
            return words
        return StoreUnavailable(f"{words} Its answer was lost: it may have been done all the same.")


def _parted(errands: Iterable[Errand], by: Callable[[Errand], bool]) -> tuple[list[Errand], list[Errand]]:
    """Those of which it is true, and the others."""
    parts: tuple[list[Errand], list[Errand]] = [], []
    for errand in errands:
        parts[not by(errand)].append(errand)
    return parts


def _as_many_as_fit(errands: Sequence[Errand]) -> int:
    """How many of them are one write; at least the first."""
    weight = 0
    for number, errand in enumerate(errands[:_LARGEST_WRITE]):
        weight += errand.verb.weight(errand.request)
        if weight > _HEAVIEST_WRITE:
            return max(number, 1)
    return _LARGEST_WRITE


def _is_one_statement(groups: Sequence[Sequence[Errand]]) -> bool:
    [first, *others] = groups
    verb = first[0].verb
    if others or first[0].careful or any(errand.in_doubt for errand in first):
        return False
    return verb.at_once or (verb.simple and len(first) == 1)


def _groups(errands: Iterable[Errand]) -> list[list[Errand]]:
    """Those of one verb together; those that are written with care come last, each for itself."""
    together: dict[Verb[object, object], list[Errand]] = defaultdict(list)
    careful: list[list[Errand]] = []
    for errand in errands:
        if errand.careful:
            careful.append([errand])
        else:
            together[errand.verb].append(errand)
    return [*together.values(), *careful]


async def _answer(transaction: Transaction, group: Sequence[Errand]) -> None:
    first = group[0]
    if first.careful and first.verb.alone is not None:
        first.be_answered(await first.verb.alone(transaction, first.request))
        return
    answers = await first.verb.write(transaction, [errand.request for errand in group])
    for errand, answer in zip(group, answers, strict=True):
        errand.be_answered(answer)
