"""The cards of the workers: signed on, renewed, signed off; and the names that none of them knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from afterwards import kept, stored
from afterwards.stores.redis import rows
from afterwards.stores.redis.errands import Argument, Ask, Talk
from afterwards.stores.redis.tallies import put_gone_together, tally_argument
from afterwards.tallies import Tally
from afterwards.tasks import Claim, Note, Renewal, SignedOn, WorkerCard, WorkerId


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeing:
    """Under which names tasks are to be freed, and how many at most."""

    names: tuple[str, ...]
    limit: int


def sign_on(card: WorkerCard) -> Talk[None]:
    """Make it known."""
    yield Ask("sign_on", rows.card_arguments(card))
    yield from put_gone_together()


def renew(prolonging: Prolonging) -> Talk[Renewal]:
    """Prolong the lease of a worker that is still known."""
    lease, tally = stored.microseconds(prolonging.lease), tally_argument(prolonging.tally)
    lost, now = cast("tuple[int, bytes]", (yield Ask("renew", [prolonging.worker, lease, tally])))
    return Renewal(lost=bool(lost), now=stored.instant(int(now)))


def sign_off(leave: Leave) -> Talk[None]:
    """Give back what it holds and forget it; or only mark it."""
    yield Ask("sign_off", [leave.worker, int(leave.leaving), tally_argument(leave.tally)])


def free_unknown(freeing: Freeing) -> Talk[int]:
    """Free what is held because no worker knew its name; as many as the limit means that there may be more."""
    return cast("int", (yield Ask("free_unknown", [freeing.limit, *freeing.names])))


def unknown_names(_: None) -> Talk[list[str]]:
    """What no worker knew."""
    return [name.decode() for name in cast("list[bytes]", (yield Ask("unknown_names")))]


def cancellations(worker: WorkerId) -> Talk[list[Claim]]:
    """The runs of this worker that somebody asked to stop."""
    return _claims((yield Ask("cancellations", [worker])), worker)


def claims(worker: WorkerId) -> Talk[list[Claim]]:
    """The runs of this worker."""
    return _claims((yield Ask("claims", [worker])), worker)


def workers(_: None) -> Talk[list[SignedOn]]:
    """Who is signed on."""
    return rows.workers((yield Ask("workers")))


def note(notes: Sequence[Note]) -> Talk[list[Claim]]:
    """Write how far these runs are; those whose claim holds."""
    newest = {one.claim: one.progress for one in notes}
    arguments: list[Argument] = []
    for claim, progress in newest.items():
        arguments += [claim.id.hex, claim.run, claim.worker, kept.progress_text(progress)]
    held = cast("bytes", (yield Ask("note", arguments)))
    return [claim for claim, flag in zip(newest, held, strict=True) if flag == ord("1")]


def _claims(told: object, worker: WorkerId) -> list[Claim]:
    found = cast("list[tuple[bytes, bytes]]", told)
    return [Claim(id=UUID(id.decode()), run=int(run), worker=worker) for id, run in found]
