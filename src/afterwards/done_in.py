"""A run that is settled in a transaction of its function's own, together with its effect. Touches no store itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from afterwards.errors import CannotJoinTransaction, StoreUnavailable
from afterwards.tasks import Call, Claim, Progress
from afterwards.transactions import Transaction


class InOwnTransaction(Protocol):
    """Settles a run in a transaction of the user's."""

    async def settle(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        """As done, with how far it says it is. Raises LeaseLost when the claim does not hold any more."""
        ...

    def settle_sync(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        """The same where nobody can await."""
        ...

    async def join_awaited(self, call: Call, transaction: Transaction) -> None:
        """Let the transaction store a call too."""
        ...

    def join(self, call: Call, transaction: Transaction) -> None:
        """The same where nobody can await."""
        ...

    async def is_settled(self, claim: Claim) -> bool:
        """Whether that run is done, so that the transaction has committed."""
        ...


class DoneIn:
    """Lets one run, which `began` on the monotonic clock, be settled by a transaction; remembers if that was wanted.

    `added` says which calls the run has added so far, and `progress` how far it is: they are stored by the same
    transaction. What `is_needed` by other steps of a chain cannot be settled so: who needs it has to be looked for.
    """

    def __init__(
        self,
        joining: InOwnTransaction,
        claim: Claim,
        began: float,
        *,
        added: Callable[[], Sequence[Call]],
        progress: Callable[[], Progress | None],
        is_needed: bool = False,
    ) -> None:
        self._is_needed = is_needed
        self._joining = joining
        self._claim = claim
        self._began = began
        self._added = added
        self._progress = progress
        self.is_wanted = False

    async def write(self, transaction: Transaction) -> None:
        """Settle it there."""
        self._want()
        await self._joining.settle(self._claim, transaction, took=self._took(), progress=self._progress())
        for call in self._added():
            await self._joining.join_awaited(call, transaction)

    def write_sync(self, transaction: Transaction) -> None:
        """The same where nobody can await."""
        self._want()
        self._joining.settle_sync(self._claim, transaction, took=self._took(), progress=self._progress())
        for call in self._added():
            self._joining.join(call, transaction)

    async def is_written(self) -> bool:
        """Whether it has been. A store that is away cannot say; then the worker's own settling will be refused."""
        try:
            return self.is_wanted and await self._joining.is_settled(self._claim)
        except StoreUnavailable:
            return False

    def _want(self) -> None:
        if self._is_needed:
            raise CannotJoinTransaction(
                "other steps of its chain need this task, so no transaction can settle it: only its worker can let "
                "them go on. Commit without done_in, and make the effect one that may come twice; or add what follows "
                "with using(transaction=...) instead of a chain"
            )
        self.is_wanted = True

    def _took(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._began)


class NotCommitted(Exception):
    """What becomes of a run that returned although the transaction of its `done_in` had not committed."""

    def __init__(self) -> None:
        super().__init__(
            "the transaction that was given to done_in has rolled back, or was not committed before the function "
            "returned, so its effect is not there: commit it in the function, or let its error out"
        )
