"""What workers have counted: a text for each that is signed on, and for those who have gone."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.tallies import Tally, put_together, read_tally, tally_text
from afterwards.tasks import WorkerId

Told = list[tuple[bytes, bytes, int]]  # of which worker, what, and whether it is signed on


def tally_argument(tally: Tally | None) -> Argument:
    """As scripts take it; empty for none."""
    return "" if tally is None else tally_text(tally)


def tallies(_: None) -> Talk[dict[WorkerId, Tally]]:
    """All that can be read."""
    told = cast("Told", (yield Ask("tallies")))
    read = {WorkerId(worker.decode()): read_tally(text.decode()) for worker, text, _ in told}
    return {worker: tally for worker, tally in read.items() if tally is not None}


def put_gone_together() -> Talk[None]:
    """Of those who have gone, one text. Where somebody else does the same just now, he does it."""
    told = cast("Told", (yield Ask("tallies")))
    gone = {worker.decode(): text.decode() for worker, text, is_signed_on in told if not is_signed_on}
    together = put_together(gone, (text.decode() for _, text, is_signed_on in told if is_signed_on))
    if together is not None:
        workers, text = together
        parts = [part for worker in workers for part in (worker, gone[worker])]
        yield Ask("put_together", [str(uuid4()), text, *parts])
