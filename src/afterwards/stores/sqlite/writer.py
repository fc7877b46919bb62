"""Writes what many callers ask for in one transaction; while that is made durable, the next gathers. No timers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from afterwards.stores.sqlite.database import Database
from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.jobs import Job, Verb, deliver
from afterwards.stores.sqlite.place import Place
from afterwards.stores.sqlite.transaction import Transaction
from afterwards.stores.sqlite.trouble import Trouble, told, trouble

_PAUSE = 0.005  # some locks are reported at once, without the wait of `connect`


class Writer:
    """Owns the writing connection. `ring` is called after a write that may have given somebody something to claim."""

    def __init__(self, database: Database, place: Place, *, ring: Callable[[], None]) -> None:
        self.desk = Desk("afterwards-writer", work=self._work, let_go=database.close)
        self._database = database
        self._place = place
        self._ring = ring

    def _work(self, jobs: list[Job]) -> None:
        """Write a batch. While somebody else holds the file, what comes in joins it, and what waited too long goes."""
        while jobs:
            jobs = self._attempt([job for job in jobs if not job.abandoned])

    def _attempt(self, jobs: list[Job]) -> list[Job]:
        """Write all or nothing; returns what is to be tried once more."""
        try:
            self._write(jobs)
        except Exception as error:  # of any kind: the thread must live, and every caller get an answer
            return self._after(error, jobs)
        deliver(jobs)
        return []

    def _write(self, jobs: Sequence[Job]) -> None:
        durable = any(job.verb.durable for job in jobs)
        with self._database.transaction(durable=durable) as transaction:
            for verb, alike in _by_verb(jobs).items():
                _answer(transaction, verb, alike)
        if transaction.rings:
            self._ring()

    def _after(self, error: Exception, jobs: list[Job]) -> list[Job]:
        match trouble(error):
            case Trouble.LOCKED:
                time.sleep(_PAUSE)
                return self._in_time(jobs, error) + self.desk.gathered()
            case Trouble.REFUSED:
                return self._apart(jobs, error)
            case Trouble.AWAY | Trouble.BROKEN:
                self._database.close()
                self._refuse(jobs, error)
                return []

    def _in_time(self, jobs: list[Job], error: Exception) -> list[Job]:
        """Those that can still wait; the others are told now, and nothing of them is ever stored."""
        now = time.monotonic()
        self._refuse([job for job in jobs if job.deadline <= now], error)
        return [job for job in jobs if job.deadline > now]

    def _apart(self, jobs: list[Job], error: Exception) -> list[Job]:
        """One of them cannot be written: halve the batch until it stands alone, so that only it fails."""
        if len(jobs) > 1:
            middle = len(jobs) // 2
            self._work(jobs[:middle])
            self._work(jobs[middle:])
            return []
        [job] = jobs
        if job.verb.alone is not None and not job.alone:
            job.alone = True
            return [job]
        self._refuse(jobs, error)
        return []

    def _refuse(self, jobs: Iterable[Job], error: Exception) -> None:
        refused = list(jobs)
        for job in refused:
            job.error = told(error, job.verb.doing, self._place.path)
        deliver(refused)


def _by_verb(jobs: Iterable[Job]) -> dict[Verb[object, object], list[Job]]:
    groups: dict[Verb[object, object], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.verb].append(job)
    return groups


def _answer(transaction: Transaction, verb: Verb[object, object], jobs: Sequence[Job]) -> None:
    if verb.alone is not None and jobs[0].alone:
        answers: Sequence[object] = [verb.alone(transaction, jobs[0].request)]
    else:
        answers = verb.write(transaction, [job.request for job in jobs])
    for job, answer in zip(jobs, answers, strict=True):
        job.answer = answer
