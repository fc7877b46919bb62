"""Attaches to a Session: what was added is written when the session commits.

A savepoint that commits writes what was added in it, so that the database itself undoes it together with whatever is
around. What is left of a savepoint at its end was rolled back.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import event, exc
from sqlalchemy.orm import Session, SessionTransaction

from afterwards.errors import CannotJoinTransaction
from afterwards.stores.sqlalchemy.connections import ConnectionHand
from afterwards.stores.sqlalchemy.ledger import Ledger, Owner, tell
from afterwards.stores.sqlalchemy.tables import TASKS
from afterwards.tasks import Call

_LEDGER = "afterwards.ledger"  # in the session's own `info`


def attach(session: Session, owner: Owner, call: Call | None) -> None:
    """Let `owner` write `call` when the session commits, and hear of it. Begins a transaction, as `session.add` does.

    Raises CannotJoinTransaction when none has begun and none may begin by itself.
    """
    _begin(session)
    ledger = _ledger_of(session)
    within = _innermost(session)
    ledger.add(owner, call, within)
    if ledger.committing:
        ledger.write(hand_of(session), within)


def dialect_of(session: Session) -> str:
    """The dialect of the database in which this session would look for our tables."""
    try:
        return session.get_bind(clause=TASKS).dialect.name
    except exc.UnboundExecutionError as error:
        raise CannotJoinTransaction(
            "this session is bound to no database as a whole: bind it to one, or say in its binds= where "
            "afterwards.stores.sqlalchemy.TASKS is"
        ) from error


def hand_of(session: Session) -> ConnectionHand:
    """Writes in the session's transaction."""
    return ConnectionHand(session.connection(bind_arguments={"clause": TASKS}))


def _begin(session: Session) -> None:
    if session.in_transaction():
        return
    if not session.autobegin:
        raise CannotJoinTransaction("no transaction has begun on this session: call session.begin() first")
    session.begin()


def _ledger_of(session: Session) -> Ledger:
    ledger = cast("Ledger | None", session.info.get(_LEDGER))
    if ledger is None:
        ledger = session.info[_LEDGER] = Ledger()
        event.listen(session, "before_commit", _before_commit)
        event.listen(session, "after_commit", _after_commit)
        event.listen(session, "after_transaction_end", _after_transaction_end)
    return ledger


def _innermost(session: Session) -> SessionTransaction | None:
    """The savepoint that is open, or the transaction; never the parts into which a flush divides it."""
    return session.get_nested_transaction() or session.get_transaction()


def _before_commit(session: Session) -> None:
    """Of the transaction or of a savepoint. The flush comes first, since it may add tasks as well."""
    session.flush()
    ledger = _ledger_of(session)
    _write(session, ledger)
    ledger.committing = session.get_nested_transaction() is None


def _after_commit(session: Session) -> None:
    ledger = _ledger_of(session)
    savepoint = session.get_nested_transaction()
    if savepoint is None:
        tell(ledger.take())
    else:
        ledger.pass_on(savepoint, _around(savepoint))
        ledger.released = True


def _after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    ledger = _ledger_of(session)
    ledger.drop(transaction)
    if transaction.parent is None:
        ledger.committing = False
    elif ledger.released:
        # The one around it may be on its way to its own commit, and has had its word already.
        ledger.released = False
        _write(session, ledger)


def _write(session: Session, ledger: Ledger) -> None:
    within = _innermost(session)
    if ledger.awaits_writing(within):
        ledger.write(hand_of(session), within)


def _around(savepoint: SessionTransaction) -> SessionTransaction | None:
    """The savepoint or transaction around it."""
    outer = savepoint.parent
    while outer is not None and outer.parent is not None and not outer.nested:
        outer = outer.parent
    return outer
