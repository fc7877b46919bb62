"""Attaches to a Session: what was added is written when the session commits.

A savepoint that commits writes all that waits, so that the database itself undoes it together with whatever is around.
What is left of a savepoint at its end was rolled back.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from sqlalchemy import Connection, event, exc
from sqlalchemy.orm import Session, SessionTransaction

from afterwards.errors import CannotJoinTransaction
from afterwards.stores.sqlalchemy.connections import ConnectionHand
from afterwards.stores.sqlalchemy.ledger import Ledger, Owner, tell
from afterwards.stores.sqlalchemy.tables import TASKS
from afterwards.tasks import Call

_LEDGER = "afterwards.ledger"  # in the session's own `info`


def attach(session: Session, owner: Owner, call: Call | None, *, perhaps_within: bool) -> None:
    """Let `owner` write `call` when the session commits, and hear of it. Begins a transaction, as `session.add` does.

    `perhaps_within`: the caller may stand inside a flush or a commit of it, and can write there. Raises
    CannotJoinTransaction when none has begun and none may begin by itself.
    """
    had_begun = session.in_transaction()
    _begin(session)
    ledger = _ledger_of(session)
    within = _innermost(session)
    ledger.add(owner, call, within)
    if perhaps_within and had_begun:
        if ledger.committing:
            ledger.write(hand_of(session), within)
        else:
            _listen(ledger, session, session.connection(bind_arguments={"clause": TASKS}))


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
        event.listen(session, "after_begin", partial(_after_begin, ledger))
        event.listen(session, "before_commit", partial(_before_commit, ledger))
        event.listen(session, "after_commit", partial(_after_commit, ledger))
        event.listen(session, "after_transaction_end", partial(_after_transaction_end, ledger))
    return ledger


def _innermost(session: Session) -> SessionTransaction | None:
    """The savepoint that is open, or the transaction; never the parts into which a flush divides it."""
    return session.get_nested_transaction() or session.get_transaction()


def _after_begin(ledger: Ledger, session: Session, _: SessionTransaction, connection: Connection) -> None:
    bind = session.get_bind(clause=TASKS)
    if bind.engine is connection.engine:
        _listen(ledger, session, connection)


def _listen(ledger: Ledger, session: Session, connection: Connection) -> None:
    """The connection's commit is the last moment: for what a flush adds that the session's own commit has begun."""
    if ledger.connection is not connection:
        ledger.connection = connection
        event.listen(connection, "commit", partial(_last_moment, ledger, session))
        event.listen(connection, "release_savepoint", partial(_last_moment, ledger, session))


def _last_moment(ledger: Ledger, session: Session, connection: Connection, *_: object) -> None:
    if ledger.awaits_writing:
        ledger.write_all(ConnectionHand(connection), _innermost(session))


def _before_commit(ledger: Ledger, session: Session) -> None:
    """Of the transaction or of a savepoint. The flush comes first, since it may add tasks as well.

    It may also be one around the innermost savepoint that commits: nothing tells which, and it has no other moment.
    """
    session.flush()
    if ledger.awaits_writing:
        ledger.write_all(hand_of(session), _innermost(session))
    ledger.committing = session.get_nested_transaction() is None


def _after_commit(ledger: Ledger, session: Session) -> None:
    savepoint = session.get_nested_transaction()
    if savepoint is None:
        _last_moment_of_a_guest(ledger, session)
        tell(ledger.take())
    else:
        ledger.pass_on(savepoint, _around(savepoint))


def _last_moment_of_a_guest(ledger: Ledger, session: Session) -> None:
    """A session in a transaction of its connection's has left that open, and the connection has committed nothing."""
    connection = ledger.connection
    if isinstance(connection, Connection) and connection.in_transaction():
        _last_moment(ledger, session, connection)


def _after_transaction_end(ledger: Ledger, session: Session, transaction: SessionTransaction) -> None:
    ledger.drop(transaction)
    if transaction.parent is None:
        ledger.committing = False


def _around(savepoint: SessionTransaction) -> SessionTransaction | None:
    """The savepoint or transaction around it."""
    outer = savepoint.parent
    while outer is not None and outer.parent is not None and not outer.nested:
        outer = outer.parent
    return outer
