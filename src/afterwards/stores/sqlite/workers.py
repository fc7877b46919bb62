"""The rows of the workers: signed on, renewed, signed off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from afterwards import kept, stored
from afterwards.stores.sqlite import rows
from afterwards.stores.sqlite.gates import declare
from afterwards.stores.sqlite.rescuing import give_back
from afterwards.stores.sqlite.tallies import keep, put_gone_together
from afterwards.stores.sqlite.transaction import Transaction, as_list
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


def sign_on(transaction: Transaction, card: WorkerCard) -> None:
    """Make it known with what it declares, and free what waited for a worker that knows these names."""
    transaction.execute(
        "sign_on",
        id=card.id,
        host=card.host,
        pid=card.pid,
        label=card.label,
        queues=None if card.queues is None else as_list(card.queues),
        functions=as_list(card.functions),
        quotas=as_list([quota.name for quota in card.quotas]),
        expires=stored.later(transaction.now, card.lease),
    )
    declare(transaction, card.quotas)
    free_unknown(transaction, card.functions)
    put_gone_together(transaction)
    transaction.rings = True


def renew(transaction: Transaction, prolonging: Prolonging) -> Renewal:
    """Prolong the lease of a worker that is still known."""
    changed = transaction.execute(
        "renew", worker=prolonging.worker, expires=stored.later(transaction.now, prolonging.lease)
    )
    keep(transaction, prolonging.worker, prolonging.tally)
    return Renewal(lost=not changed, now=stored.instant(transaction.now))


def sign_off(transaction: Transaction, leave: Leave) -> None:
    """Give back what it holds and forget it; or only mark it."""
    keep(transaction, leave.worker, leave.tally)
    if leave.leaving:
        transaction.execute("mark_leaving", worker=leave.worker)
        return
    give_back(transaction, leave.worker)
    transaction.execute("forget_worker", worker=leave.worker)


def free_unknown(transaction: Transaction, names: tuple[str, ...]) -> int:
    """Free what is held because no worker knew its name."""
    freed = transaction.execute("free_unknown", names=as_list(names)) if names else 0
    transaction.rings |= freed > 0
    return freed


def cancellations(transaction: Transaction, worker: WorkerId) -> list[Claim]:
    """The runs of this worker that somebody asked to stop."""
    return _claims(transaction, "cancellations", worker)


def claims(transaction: Transaction, worker: WorkerId) -> list[Claim]:
    """The runs of this worker."""
    return _claims(transaction, "claims", worker)


def _claims(transaction: Transaction, statement: str, worker: WorkerId) -> list[Claim]:
    found = cast("list[tuple[str, int]]", transaction.rows(statement, worker=worker))
    return [Claim(id=UUID(id), run=run, worker=worker) for id, run in found]


def note(transaction: Transaction, notes: Sequence[Note]) -> list[Claim]:
    """Write how far these runs are; those whose claim holds."""
    newest = {one.claim: one.progress for one in notes}
    noted = list(newest)
    held = transaction.rows("held_claims", claims=as_list([rows.claim_row(claim) for claim in noted]))
    holding = [(noted[place], sequence) for place, sequence, _ in cast("list[tuple[int, int, int]]", held)]
    written = [(sequence, kept.progress_text(newest[claim])) for claim, sequence in holding]
    transaction.spread("note_progress", written)
    return [claim for claim, _ in holding]
