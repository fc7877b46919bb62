"""What workers have counted: a row for each that is signed on, and for those who have gone."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

from afterwards.stores.sqlite.transaction import Transaction, as_list
from afterwards.tallies import Tally, put_together, read_tally, tally_text
from afterwards.tasks import WorkerId

TallyRow = tuple[str, str, int]  # of which worker, what, and whether it is signed on


def keep(transaction: Transaction, worker: WorkerId, tally: Tally | None) -> None:
    """Write what a worker that is signed on has brought."""
    if tally is not None:
        transaction.execute("keep_tally", worker=worker, tally=tally_text(tally))


def tallies(transaction: Transaction, _: None) -> dict[WorkerId, Tally]:
    """All that can be read."""
    read = {WorkerId(worker): read_tally(text) for worker, text, _ in _rows(transaction)}
    return {worker: tally for worker, tally in read.items() if tally is not None}


def put_gone_together(transaction: Transaction) -> None:
    """Of those who have gone, one row."""
    rows = _rows(transaction)
    gone = {worker: text for worker, text, is_signed_on in rows if not is_signed_on}
    together = put_together(gone, (text for worker, text, _ in rows if worker not in gone))
    if together is not None:
        workers, text = together
        transaction.execute("forget_tallies", workers=as_list(workers))
        transaction.execute("put_tally", worker=str(uuid4()), tally=text)


def _rows(transaction: Transaction) -> list[TallyRow]:
    return [cast("TallyRow", tuple(row)) for row in transaction.rows("list_tallies")]
