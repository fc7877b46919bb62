"""Joins the user's own transactions: calls are stored by them, and a running task is settled by them.

What is written there is stored when they commit, and never otherwise. It is claimed by nobody and stands outside the
order of its request.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import assert_never

from afterwards import stored
from afterwards.elsewhere import run_elsewhere
from afterwards.errors import AfterwardsError, CannotJoinTransaction, StoreUnavailable
from afterwards.events import Events, TasksAdded
from afterwards.store import Store
from afterwards.tasks import Call, Claim, Progress, Search, State
from afterwards.transactions import (
    Hand,
    Joint,
    Kind,
    Transaction,
    adding,
    drive,
    drive_async,
    ending,
    joint_of,
    kind_of,
)


class Joining:
    """Writes into transactions for one store."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events

    def join(self, call: Call, transaction: Transaction) -> None:
        """Let the transaction store `call`: a session or connection of SQLAlchemy when it commits, others at once.

        Raises CannotJoinTransaction, also for a connection that has to be awaited; CannotStore, StoreUnavailable.
        """
        kind = kind_of(transaction)
        if kind is Kind.RAW_ASYNC:
            raise CannotJoinTransaction(
                f"a connection of {type(transaction).__module__.partition('.')[0]} has to be awaited: write `await "
                "afterwards.using(transaction=connection).add(function, ...)`"
            )
        joint = self._joint_now()
        stored.check_call(call)
        if kind is Kind.RAW:
            drive(joint.hand(transaction), adding(joint, [call]))
        else:
            self._attach(call, transaction, joint)

    async def join_awaited(self, call: Call, transaction: Transaction) -> None:
        """The same, for every kind."""
        joint = await self._joint()
        if kind_of(transaction) is Kind.RAW_ASYNC:
            stored.check_call(call)
            await drive_async(joint.async_hand(transaction), adding(joint, [call]))
        else:
            self.join(call, transaction)

    async def settle(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        """Settle a run as done in the transaction, now. Raises LeaseLost when its claim does not hold any more."""
        kind, joint = kind_of(transaction), await self._joint()
        steps = ending(joint, claim, took=took, progress=progress)
        match kind:
            case Kind.RAW | Kind.ATTACHED:
                self.settle_sync(claim, transaction, took=took, progress=progress)
            case Kind.RAW_ASYNC:
                await drive_async(joint.async_hand(transaction), steps)
            case Kind.ATTACHED_ASYNC:
                self._attach(None, transaction, joint)  # to hear of the commit, which wakes who takes the followers
                from afterwards.stores import sqlalchemy

                await sqlalchemy.write(transaction, partial(drive, steps=steps))
            case _ as never:
                assert_never(never)

    def settle_sync(
        self, claim: Claim, transaction: Transaction, *, took: timedelta, progress: Progress | None
    ) -> None:
        """The same where nobody can await."""
        kind, joint = kind_of(transaction), self._joint_now()
        steps = ending(joint, claim, took=took, progress=progress)
        match kind:
            case Kind.RAW:
                drive(joint.hand(transaction), steps)
            case Kind.ATTACHED:
                self._attach(None, transaction, joint)
                from afterwards.stores import sqlalchemy

                drive(sqlalchemy.hand(transaction), steps)
            case Kind.RAW_ASYNC | Kind.ATTACHED_ASYNC:
                raise CannotJoinTransaction(
                    f"this {type(transaction).__name__} has to be awaited: `await current_task().done_in(...)`"
                )
            case _ as never:
                assert_never(never)

    async def is_settled(self, claim: Claim) -> bool:
        """Whether that run has been settled as done: by a transaction, when the worker has not. Raises as `find`."""
        found = await self._store.find(Search(ids=(claim.id,)), limit=1)
        return any(task.state is State.DONE and task.run == claim.run for task in found)

    # As the owner of what waits for a commit

    def write(self, hand: Hand, calls: Sequence[Call]) -> None:
        """The transaction commits: write them."""
        joint = self._joint_now()
        drive(hand, adding(joint, calls))

    def committed(self, calls: Sequence[Call]) -> None:
        """They are stored: wake who waits for tasks."""
        with contextlib.suppress(AfterwardsError):  # the store has been closed meanwhile
            joint_of(self._store).ring()
        if calls and self._events.heard(TasksAdded):
            self._events.say(TasksAdded(ids=tuple(call.id for call in calls)))

    def _attach(self, call: Call | None, transaction: Transaction, joint: Joint) -> None:
        from afterwards.stores import sqlalchemy  # installed, since something of it is at hand

        dialect = sqlalchemy.dialect_of(transaction)
        if dialect != joint.dialect:
            raise CannotJoinTransaction(
                f"this transaction is on a database of the kind {dialect}, and the tasks are in {joint.dialect}: give "
                "it one of the store's own database, or point Afterwards(url=...) to the database of the transaction"
            )
        sqlalchemy.attach(transaction, self, call)

    async def _joint(self) -> Joint:
        try:
            return joint_of(self._store)
        except StoreUnavailable:
            await self._store.open()
            return joint_of(self._store)

    def _joint_now(self) -> Joint:
        """Without a lifespan the store has not been opened: do it now, in a thread, since nobody here can await."""
        try:
            return joint_of(self._store)
        except StoreUnavailable:
            run_elsewhere(self._store.open)
            return joint_of(self._store)
