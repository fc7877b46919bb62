"""The gates in the file: counts them, holds before them, opens them. Who may pass is decided in afterwards/gates.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from afterwards import stored
from afterwards.gates import (
    BUCKETS,
    MOST_OPENINGS,
    MOST_SWEPT,
    NO_QUOTA_AT_ONCE,
    Candidate,
    Count,
    Passage,
    decide,
)
from afterwards.quotas import Quota
from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tasks import Gate, WorkerId

CountRow = tuple[str, str, int | None, int, int | None, int | None, int, int | None]
OpeningRow = tuple[int, str, str, str]

_SOON_FORGOTTEN, _LONG_AGO = timedelta(seconds=10), timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A gate's count, and what its rate needs: the period in microseconds, and the next instant at which it opens."""

    count: Count
    period: int
    opens: int


def pass_gates(transaction: Transaction, candidates: Sequence[Candidate[int]], *, room: int) -> Passage[int]:
    """Decide who of them passes; those who do not are held, and who begins is counted."""
    gates = {gate for candidate in candidates for gate in candidate.gates}
    standing = _standing(transaction, gates) if gates else {}
    passage = decide(candidates, {gate: one.count for gate, one in standing.items()}, room=room)
    if passage.held:
        closed = [[sequence, gate.quota, gate.key, why] for sequence, gate, why in passage.held]
        transaction.execute("hold_at_gates", closed=as_list(closed))
    for gate, runs in passage.begun().items():
        if standing[gate].period:
            _note_pass(transaction, gate, runs, standing[gate].period)
    rated = [gate for gate in passage.gates() if standing[gate].period]
    for gate, one in _standing(transaction, rated).items() if rated else ():
        _open(transaction, gate, one.opens)
    return passage


def open_due_gates(transaction: Transaction, worker: WorkerId, unknown: Sequence[str], *, most: int) -> None:
    """Let those through who may pass gates that are to open by now: as many as the claim may take, from each."""
    names = as_list(unknown)
    found = cast(
        "list[OpeningRow]", transaction.rows("find_openings", worker=worker, unknown=names, limit=MOST_OPENINGS)
    )
    transaction.execute("end_openings", sequences=as_list([sequence for sequence, *_ in found]))
    standing = _standing(transaction, {Gate(quota=gate, key=key) for _, gate, key, _ in found})
    for _, quota, key, queue in found:
        gate = Gate(quota=quota, key=key)
        _open_one(transaction, gate, queue, standing.get(gate), unknown=names, most=most)


def declare(transaction: Transaction, quotas: Iterable[Quota]) -> None:
    """What a worker declares holds from now on, also for what waits or runs already."""
    declared = [_row_of(quota) for quota in quotas]
    if not declared:
        return
    known = {tuple(row) for row in transaction.rows("list_quotas")}
    for row in declared:
        name, most, rate, period = row
        transaction.execute("declare_quota", name=name, most=most, rate=rate, period=period)
        if row not in known:
            transaction.execute("open_quota", gate=name)
    if not known.issuperset(declared):
        transaction.execute("limit_running")


def sweep(transaction: Transaction, after: Gate | None) -> Gate | None:
    """Forget what nobody declares, and open gates that have room though nothing said so; some of them, from one on."""
    if transaction.rows("list_quotas"):
        _forget(transaction)
        transaction.execute("limit_running")
    start = after or Gate(quota="")
    found = cast(
        "list[tuple[str, str]]",
        transaction.rows("standing_gates", gate=start.quota, key=start.key, limit=MOST_SWEPT),
    )
    gates = [Gate(quota=quota, key=key) for quota, key in found]
    standing = _standing(transaction, gates) if gates else {}
    for gate in gates:
        one = standing.get(gate)
        if one is None or one.count.room() > 0:
            _open(transaction, gate, 0)
            transaction.rings = True
        elif one.period:
            _open(transaction, gate, one.opens)
    return gates[-1] if len(gates) == MOST_SWEPT else None


def _forget(transaction: Transaction) -> None:
    before = stored.earlier(transaction.now, _SOON_FORGOTTEN)
    for name in transaction.strings("undeclared_quotas", before=before):
        transaction.execute("forget_quota", gate=name)
        transaction.execute("open_quota", gate=name)
        transaction.rings = True
    long_ago = stored.earlier(transaction.now, _LONG_AGO)
    transaction.execute("forget_old_passes", before=long_ago, limit=NO_QUOTA_AT_ONCE)


def _standing(transaction: Transaction, gates: Iterable[Gate]) -> dict[Gate, Standing]:
    """Those of them that have a quota."""
    asked = as_list([[gate.quota, gate.key] for gate in gates])
    found = cast("list[CountRow]", transaction.rows("count_gates", gates=asked))
    return {
        Gate(quota=quota, key=key): Standing(
            count=Count(most=most, running=running, rate=rate, begun=begun),
            period=period or 0,
            opens=(first or transaction.now) + (period or 0),
        )
        for quota, key, most, running, rate, period, begun, first in found
    }


def _note_pass(transaction: Transaction, gate: Gate, runs: int, period: int) -> None:
    transaction.execute("forget_passes", gate=gate.quota, key=gate.key, period=period)
    if not transaction.execute("join_pass", gate=gate.quota, key=gate.key, runs=runs, bucket=period // BUCKETS):
        transaction.execute("add_pass", gate=gate.quota, key=gate.key, runs=runs)


def _open_one(
    transaction: Transaction, gate: Gate, queue: str, standing: Standing | None, *, unknown: str, most: int
) -> None:
    """Let as many through as there is room for: of this queue, and if it has not so many, soon of others.

    Where as many run as may, the first to end opens it again; under a rate, the next whose turn comes back does.
    """
    room = NO_QUOTA_AT_ONCE if standing is None else standing.count.room()
    wanted = min(room, NO_QUOTA_AT_ONCE if standing is None else most)
    through = transaction.execute(
        "let_through", gate=gate.quota, key=gate.key, queue=queue, unknown=unknown, room=wanted
    )
    if through < wanted:
        _open(transaction, gate, 0, unless=queue)
    elif wanted < room or standing is None:
        _open(transaction, gate, 0)
    if standing is not None and standing.period:
        _open(transaction, gate, standing.opens)


def _open(transaction: Transaction, gate: Gate, opens: int, *, unless: str | None = None) -> None:
    transaction.execute("open_gate", gate=gate.quota, key=gate.key, opens=opens, unless=unless)


def _row_of(quota: Quota) -> tuple[str, int | None, int | None, int | None]:
    if quota.rate is None:
        return quota.name, quota.most, None, None
    return quota.name, quota.most, quota.rate.count, stored.microseconds(quota.rate.period)
