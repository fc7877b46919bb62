"""One connection, opened when it is first needed and anew after it broke. It belongs to the office's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from afterwards.stores.postgres.address import Address
from afterwards.stores.postgres.driver import Connection, connect
from afterwards.stores.postgres.transaction import Transaction
from afterwards.stores.postgres.trouble import CannotConnect, ConnectionLost, may_have_ended

_GOODBYE = 1.0  # seconds that a server gets to hear that we leave
_PREPARING = 10.0  # seconds for the schema, which others may be bringing up to date
_CACHED_STATEMENTS = 100

# A row that is locked for longer is tried again later, and holds up nobody else. A process that was stopped in the
# middle of a transaction keeps others waiting no longer than that. Each statement has to see what was committed before
# it, and a day has 24 hours, whatever the server was told. An index range is always right here, also while the
# statistics do not know it yet; and no query is worth compiling.
SETTINGS = {
    "lock_timeout": "100ms",
    "idle_in_transaction_session_timeout": "5s",
    "default_transaction_isolation": "read committed",
    "TimeZone": "UTC",
    "enable_seqscan": "off",
    "jit": "off",
}
_NOT_DURABLE = {"synchronous_commit": "off"}
# What workers ask is the same whatever they ask it for, and planning it takes as long as a small claim itself. Planned
# without the values, the first of a line are to be read in the order of the index, and not gathered and sorted.
OF_WORKERS = {"plan_cache_mode": "force_generic_plan", "enable_bitmapscan": "off"}
# What people search for is not: there the right index hangs on what is given.
OF_PEOPLE = {"plan_cache_mode": "force_custom_plan"}


class Link:
    """`durable`: a commit returns when it is as safe as the server makes it; else it may be lost with the server.

    `settings` are those of its sessions beside the usual ones. `prepare` is called with each new connection before it
    is used.
    """

    def __init__(
        self,
        address: Address,
        *,
        durable: bool,
        settings: Mapping[str, str],
        prepare: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self._address = address
        self._settings = {**SETTINGS, **settings, **({} if durable else _NOT_DURABLE)}
        if address.pooled:  # nothing is prepared for longer than it is asked, so the values may as well be seen
            self._settings.pop("plan_cache_mode", None)
        self._prepare = prepare
        self._connection: Connection | None = None

    @property
    def is_open(self) -> bool:
        """There is a connection, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self, timeout: float) -> Connection:
        """The connection. Raises CannotConnect, what `prepare` raises, or ConnectionLost, with nothing asked yet."""
        if self._connection is None or self._connection.is_closed():
            connection = await connect_to(self._address, timeout=timeout, settings=self._settings)
            with _watched(connection, max(timeout, _PREPARING)) as watch:
                try:
                    await self._prepare(connection)
                except Exception as error:
                    judged = watch.judge(error, in_doubt=False)
                    connection.terminate()
                    if judged is error:
                        raise
                    raise judged from error
                except BaseException:
                    connection.terminate()
                    raise
            self._connection = connection
        return self._connection

    @asynccontextmanager
    async def statement(self, offset: timedelta, *, timeout: float, sent_again: bool) -> AsyncGenerator[Transaction]:
        """For one statement, which is its own transaction. Raises ConnectionLost, in doubt, if that broke."""
        if self._address.pooled:  # no session keeps the settings, so each transaction brings them
            async with self.transaction(offset, timeout=timeout, sent_again=sent_again) as transaction:
                yield transaction
            return
        connection = await self.open(timeout)
        with _watched(connection, timeout) as watch:
            try:
                yield Transaction(connection, offset, sent_again=sent_again)
            except Exception as error:
                raise watch.judge(error, in_doubt=True) from error

    @asynccontextmanager
    async def transaction(self, offset: timedelta, *, timeout: float, sent_again: bool) -> AsyncGenerator[Transaction]:
        """What is done inside is written when the block ends, or not at all if it raises.

        Raises ConnectionLost, in doubt if that broke while it was being written.
        """
        connection = await self.open(timeout)
        committing = False
        with _watched(connection, timeout) as watch:
            try:
                await connection.execute(self._begin())
                yield Transaction(connection, offset, sent_again=sent_again)
                committing = True
                await connection.execute("COMMIT")
            except Exception as error:
                await _roll_back(connection)
                raise watch.judge(error, in_doubt=committing) from error
            except BaseException:
                connection.terminate()
                raise

    async def close(self) -> None:
        """Let go, politely if that is quick."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=_GOODBYE)
            except Exception:  # whatever it is, there is nothing left to be said
                connection.terminate()

    def _begin(self) -> str:
        if not self._address.pooled:
            return "BEGIN"
        settings = [f"SET LOCAL {name} = '{value}';" for name, value in self._settings.items()]
        return " ".join(["BEGIN ISOLATION LEVEL READ COMMITTED;", *settings])


async def connect_to(address: Address, *, timeout: float, settings: Mapping[str, str] = SETTINGS) -> Connection:
    """A new connection. Raises CannotConnect."""
    try:
        return await connect(
            address.dsn,
            timeout=timeout,
            statement_cache_size=0 if address.pooled else _CACHED_STATEMENTS,
            server_settings={} if address.pooled else {"application_name": "afterwards", **settings},
            ssl=address.ssl,
            target_session_attrs=address.target,
        )
    except Exception as error:  # of the network, the server or the driver
        raise CannotConnect(str(error)) from error


class _Watch:
    """Hangs up when the server has not answered in time: whoever waits for it gets an error, and nothing hangs."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._is_over = False

    def hang_up(self) -> None:
        self._is_over = True
        self._connection.terminate()

    def judge(self, error: Exception, *, in_doubt: bool) -> Exception:
        """The error itself, or that the connection is lost."""
        if self._is_over:
            return ConnectionLost(f"the server took too long, more than {self._timeout:.1f} s", in_doubt=in_doubt)
        if self._connection.is_closed() or may_have_ended(error):
            return ConnectionLost(str(error) or type(error).__name__, in_doubt=in_doubt)
        return error


@contextmanager
def _watched(connection: Connection, timeout: float) -> Generator[_Watch]:
    watch = _Watch(connection, timeout)
    call = asyncio.get_running_loop().call_later(timeout, watch.hang_up)
    try:
        yield watch
    finally:
        call.cancel()


async def _roll_back(connection: Connection) -> None:
    """So that the connection may go on; one that cannot is given up, and the server rolls back by itself."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK")
    except Exception:  # whatever it is
        connection.terminate()
