"""The gates in the database: counts, holds, opens. Who may pass is decided in afterwards/gates.py.

Whoever decides about a gate locks its quota first, and counts in the statement after that: so of two claims each sees
what the other let pass, and who was held is seen by the next who opens that gate. Ending a run takes no lock here: it
only notes that the gate may open. A quota that somebody else has locked is passed over, with all who depend on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple, cast

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
from afterwards.stores.postgres.driver import Row
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tasks import Gate, WorkerId

CountRow = tuple[str, str, int | None, int, int | None, timedelta | None, int, datetime]
OpeningRow = tuple[int, str, str, str]

_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class Taken(NamedTuple):
    """The rows of the tasks that passed, and who was held."""

    taken: Sequence[Row]
    held: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A gate's count, and what its rate needs: the period, None without one, and the next instant at which it opens."""

    count: Count
    period: timedelta | None
    opens: datetime


async def pass_gates(
    transaction: Transaction, candidates: Sequence[Candidate[int]], worker: WorkerId, *, room: int
) -> Taken:
    """Claim those who pass; those who do not are held, and who begins is counted."""
    gates = {gate for candidate in candidates for gate in candidate.gates}
    standing = await _locked(transaction, gates) if gates else {}
    passage = decide(candidates, {gate: one.count for gate, one in standing.items()}, room=room)
    await _hold(transaction, passage)
    taken = await transaction.rows(
        "take_chosen",
        worker=worker,
        sequences=[candidate.id for candidate in passage.passing],
        limited=[bool(candidate.gates) for candidate in passage.passing],
    )
    await _note_passes(transaction, passage, standing)
    return Taken(taken, passage.held)


async def open_due_gates(transaction: Transaction, worker: WorkerId, unknown: Sequence[str], *, most: int) -> bool:
    """Let those through who may pass gates that are to open by now: as many as the claim may take, from each.

    Whether there were such gates.
    """
    names = list(unknown)
    found = cast(
        "list[OpeningRow]",
        await transaction.rows("find_openings", claimers=[worker], unknown=names, limit=MOST_OPENINGS),
    )
    if not found:
        return False
    gates = {Gate(quota=quota, key=key) for _, quota, key, _ in found}
    counted = await _counted(transaction, gates)
    standing = await _locked(transaction, gates)
    opened: dict[tuple[Gate, str], list[int]] = defaultdict(list)
    for sequence, quota, key, queue in found:
        gate = Gate(quota=quota, key=key)
        if gate in standing or gate not in counted:  # else somebody else counts it now: the next looks again
            opened[gate, queue].append(sequence)
    await transaction.execute("end_openings", sequences=[*chain.from_iterable(opened.values())])
    for gate, queue in opened:
        await _open_one(transaction, gate, queue, standing.get(gate), unknown=names, most=most)
    return True


async def declare(transaction: Transaction, quotas: Iterable[Quota]) -> None:
    """What a worker declares holds from now on, also for what waits or runs already."""
    declared = sorted(_row_of(quota) for quota in quotas)
    if not declared:
        return
    known = {tuple(row) for row in await transaction.rows("list_quotas")}
    for row in declared:
        name, most, rate, period = row
        await transaction.execute("declare_quota", name=name, most=most, rate=rate, period=period)
        if row not in known:
            await transaction.execute("open_quota", gate=name)
    if not known.issuperset(declared):
        await transaction.execute("limit_running")


async def sweep(transaction: Transaction, after: Gate | None) -> Gate | None:
    """Forget what nobody declares, and open gates that have room though nothing said so; some of them, from one on."""
    start = after or Gate(quota="")
    found = await transaction.rows("standing_gates", gate=start.quota, key=start.key, limit=MOST_SWEPT)
    if await transaction.rows("list_quotas"):
        await _forget(transaction)
        await transaction.execute("limit_running")
    gates = [Gate(quota=quota, key=key) for quota, key in cast("list[tuple[str, str]]", found)]
    standing = await _counted(transaction, gates) if gates else {}
    for gate in gates:
        one = standing.get(gate)
        if one is None or one.count.room() > 0:
            await _open(transaction, gate, _AT_ONCE)
            transaction.rings = True
        elif one.period is not None:
            await _open(transaction, gate, one.opens)
    return gates[-1] if len(gates) == MOST_SWEPT else None


async def _forget(transaction: Transaction) -> None:
    for [name] in await transaction.rows("forget_quotas"):
        await transaction.execute("open_quota", gate=name)
        transaction.rings = True
    await transaction.execute("forget_old_passes")


async def _locked(transaction: Transaction, gates: Iterable[Gate]) -> dict[Gate, Standing]:
    """Those of them that have a quota which nobody else has locked."""
    asked = list(gates)
    names = sorted({gate.quota for gate in asked})
    locked = {name for [name] in await transaction.rows("lock_quotas", names=names)}
    mine = [gate for gate in asked if gate.quota in locked]
    return await _counted(transaction, mine) if mine else {}


async def _counted(transaction: Transaction, gates: Iterable[Gate]) -> dict[Gate, Standing]:
    """Those of them that have a quota."""
    asked = list(gates)
    found = await transaction.rows(
        "count_gates", gates=[gate.quota for gate in asked], keys=[gate.key for gate in asked]
    )
    return {
        Gate(quota=quota, key=key): Standing(
            count=Count(most=most, running=running, rate=rate, begun=begun), period=period, opens=opens
        )
        for quota, key, most, running, rate, period, begun, opens in cast("list[CountRow]", found)
    }


async def _hold(transaction: Transaction, passage: Passage[int]) -> None:
    if passage.held:
        await transaction.execute(
            "hold_at_gates",
            sequences=[sequence for sequence, *_ in passage.held],
            gates=[gate.quota for _, gate, _ in passage.held],
            keys=[gate.key for _, gate, _ in passage.held],
            holds=[why for *_, why in passage.held],
        )


async def _note_passes(transaction: Transaction, passage: Passage[int], standing: dict[Gate, Standing]) -> None:
    """Who has begun under a rate is counted; the gate opens when the next turn comes back.

    The clock has gone on since it was decided: one may have come back by now, and whoever was held must hear of it.
    """
    rated = {gate: period for gate in passage.gates() if (period := standing[gate].period) is not None}
    for gate, runs in passage.begun().items():
        if gate in rated:
            await _note_pass(transaction, gate, runs, rated[gate])
    for gate, one in (await _counted(transaction, rated)).items() if rated else ():
        has_come_back = standing[gate].count.is_used_up and not one.count.is_used_up
        await _open(transaction, gate, _AT_ONCE if has_come_back else one.opens)


async def _note_pass(transaction: Transaction, gate: Gate, runs: int, period: timedelta) -> None:
    values = {"gate": gate.quota, "key": gate.key}
    await transaction.execute("forget_passes", **values, period=period)
    if not await transaction.rows("join_pass", **values, runs=runs, bucket=period / BUCKETS):
        await transaction.execute("add_pass", **values, runs=runs)


async def _open_one(
    transaction: Transaction, gate: Gate, queue: str, standing: Standing | None, *, unknown: list[str], most: int
) -> None:
    """Let as many through as there is room for: of this queue, and if it has not so many, soon of others.

    Where as many run as may, the first to end opens it again; under a rate, the next whose turn comes back does.
    """
    room = NO_QUOTA_AT_ONCE if standing is None else standing.count.room()
    wanted = min(room, NO_QUOTA_AT_ONCE if standing is None else most)
    through = await transaction.number(
        "let_through", gate=gate.quota, key=gate.key, queue=queue, unknown=unknown, room=wanted
    )
    if through < wanted:
        await _open(transaction, gate, _AT_ONCE, unless=queue)
    elif wanted < room or standing is None:
        await _open(transaction, gate, _AT_ONCE)
    if standing is not None and standing.period is not None:
        await _open(transaction, gate, standing.opens)


async def _open(transaction: Transaction, gate: Gate, opens: datetime, *, unless: str | None = None) -> None:
    await transaction.execute("open_gate", gate=gate.quota, key=gate.key, opens=opens, unless=unless)


def _row_of(quota: Quota) -> tuple[str, int | None, int | None, timedelta | None]:
    if quota.rate is None:
        return quota.name, quota.most, None, None
    return quota.name, quota.most, quota.rate.count, quota.rate.period
