"""On PostgreSQL no notice is given inside the user's transaction; other processes hear of it after the outer commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from afterwards import Afterwards
from tests.transactions.kinds import ATTACHED, KINDS, Dealing
from tests.transactions.tasks import greet


class Listener:
    """Hears the notices of a store, each with the process of the server that gave it."""

    def __init__(self, connection: psycopg.Connection, channel: str) -> None:
        self._connection = connection
        self._channel = sql.Identifier(channel)
        connection.execute(sql.SQL("LISTEN {}").format(self._channel))

    def until_now(self) -> list[int]:
        """Who has given notice by now: what it gives itself comes after all that."""
        own = self._connection.info.backend_pid
        self._connection.execute(sql.SQL("NOTIFY {}").format(self._channel))
        heard: list[int] = []
        while own not in heard:
            heard += [notice.pid for notice in self._connection.notifies(timeout=10, stop_after=1)]
        return heard[:-1]

    def next(self) -> int:
        """Who gives the next one."""
        [notice] = self._connection.notifies(timeout=10, stop_after=1)
        return notice.pid

    def pids(self, name: str) -> set[int]:
        """The server's processes whose clients have this name."""
        cursor = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,))
        return {pid for (pid,) in cursor}


@contextmanager
def listening(url: str, afterwards: Afterwards) -> Iterator[Listener]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield Listener(connection, f"afterwards_{afterwards.house.store.identity}")


@pytest.mark.parametrize("kind", [name for name in KINDS if name.startswith("PostgreSQL")])
async def test_no_notice_is_given_by_the_users_own_connection(
    kind: str, url: str, afterwards: Afterwards, dealing: Dealing
):
    with listening(url, afterwards) as listener:
        await dealing.run("SET application_name = 'the user'")
        [users] = listener.pids("the user")
        savepoint = await dealing.savepoint("one")
        await afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
        await dealing.release(savepoint)
        listener.until_now()  # of the opening
        assert listener.until_now() == [], "nothing is said before the outer commit"
        await dealing.commit()
        if kind in ATTACHED:
            await dealing.begin_again()
            assert listener.next() != users
        assert users not in listener.until_now()
