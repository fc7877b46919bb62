"""What workers have counted: a row for each that is signed on, and for those who have gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import uuid4

from afterwards.stores.postgres.transaction import Transaction
from afterwards.tallies import Tally, put_together, read_tally, tally_text
from afterwards.tasks import WorkerId


def text_of(tally: Tally | None) -> str | None:
    """As statements take it."""
    return None if tally is None else tally_text(tally)


async def tallies(transaction: Transaction, _: None) -> dict[WorkerId, Tally]:
    """All that can be read."""
    read = {WorkerId(worker): read_tally(text) for worker, text in (await _texts(transaction, "list_tallies")).items()}
    return {worker: tally for worker, tally in read.items() if tally is not None}


async def put_gone_together(transaction: Transaction) -> None:
    """Of those who have gone, one row. Which of them somebody else is just putting together is left to him."""
    gone = await _texts(transaction, "gone_tallies")
    if len(gone) < 2:
        return
    everybody = await _texts(transaction, "list_tallies")
    together = put_together(gone, (text for worker, text in everybody.items() if worker not in gone))
    if together is not None:
        workers, text = together
        await transaction.execute("forget_tallies", workers=workers)
        await transaction.execute("put_tally", worker=str(uuid4()), tally=text)


async def _texts(transaction: Transaction, statement: str) -> Mapping[str, str]:
    return dict(cast("list[tuple[str, str]]", await transaction.rows(statement)))
