"""The rows of the workers: signed on, renewed, signed off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from afterwards import kept
from afterwards.stores.postgres import rows
from afterwards.stores.postgres.gates import declare
from afterwards.stores.postgres.rescuing import give_back
from afterwards.stores.postgres.tallies import put_gone_together, text_of
from afterwards.stores.postgres.transaction import Transaction
from afterwards.tallies import Tally
from afterwards.tasks import Claim, Note, Renewal, WorkerCard, WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Prolonging:
    """Whose lease is to end how long from now, and what it has counted."""

    worker: WorkerId
    lease: timedelta
    tally: Tally | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Who goes, and what it has counted; `leaving`: not yet quite."""

    worker: WorkerId
    leaving: bool
    tally: Tally | None = None


async def sign_on(transaction: Transaction, card: WorkerCard) -> None:
    """Make it known with what it declares, and free what waited for a worker that knows these names."""
    await transaction.execute(
        "sign_on",
        id=card.id,
        host=card.host,
        pid=card.pid,
        label=card.label,
        queues=None if card.queues is None else list(card.queues),
        functions=list(card.functions),
        quotas=[quota.name for quota in card.quotas],
        lease=rows.wait(card.lease),
    )
    await declare(transaction, card.quotas)
    await free_unknown(transaction, card.functions)
    await put_gone_together(transaction)
    transaction.rings = True


async def renew(transaction: Transaction, prolonging: Prolonging) -> Renewal:
    """Prolong the lease of a worker that is still known."""
    lease, tally = rows.wait(prolonging.lease), text_of(prolonging.tally)
    [row] = await transaction.rows("renew", worker=prolonging.worker, lease=lease, tally=tally)
    now, is_known = cast("tuple[datetime, bool]", row)
    return Renewal(lost=not is_known, now=now)


async def sign_off(transaction: Transaction, leave: Leave) -> None:
    """Give back what it holds and forget it; or only mark it."""
    await transaction.execute("take_worker", worker=leave.worker)
    await transaction.execute("keep_tally", worker=leave.worker, tally=text_of(leave.tally))
    if leave.leaving:
        await transaction.execute("mark_leaving", worker=leave.worker)
        return
    await give_back(transaction, leave.worker)
    await transaction.execute("forget_worker", worker=leave.worker)


async def free_unknown(transaction: Transaction, names: tuple[str, ...]) -> int:
    """Free what is held because no worker knew its name."""
    freed = await transaction.number("free_unknown", names=list(names)) if names else 0
    transaction.rings |= freed > 0
    return freed


async def cancellations(transaction: Transaction, worker: WorkerId) -> list[Claim]:
    """The runs of this worker that somebody asked to stop."""
    return await _claims(transaction, "cancellations", worker)


async def claims(transaction: Transaction, worker: WorkerId) -> list[Claim]:
    """The runs of this worker."""
    return await _claims(transaction, "claims", worker)


async def _claims(transaction: Transaction, statement: str, worker: WorkerId) -> list[Claim]:
    found = cast("list[tuple[UUID, int]]", await transaction.rows(statement, worker=worker))
    return [Claim(id=UUID(int=id.int), run=run, worker=worker) for id, run in found]


async def note(transaction: Transaction, notes: Sequence[Note]) -> list[Claim]:
    """Write how far these runs are; those whose claim holds and which nobody else has locked."""
    newest = {one.claim: one.progress for one in notes}
    written = set(
        rows.ids(
            await transaction.rows(
                "note_progress",
                ids=[claim.id for claim in newest],
                runs=[claim.run for claim in newest],
                workers=[claim.worker for claim in newest],
                progress=[kept.progress_text(progress) for progress in newest.values()],
            )
        )
    )
    return [claim for claim in newest if claim.id in written]
