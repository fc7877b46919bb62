"""One connection to one server: sends commands together and brings their replies. Reconnects never by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import ResponseError
from redis.retry import Retry

from afterwards.stores.redis.address import Login, Node

Command = Sequence[str | int]


class _Connection(Protocol):
    """What is used of redis-py's connection, whose methods have no types."""

    def connect(self) -> None: ...
    def pack_commands(self, commands: Sequence[Command]) -> Sequence[bytes]: ...
    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None: ...
    def can_read(self, timeout: float = 0) -> bool: ...
    def read_response(self) -> object: ...
    def disconnect(self) -> None: ...


class Wire:
    """Raises redis-py's ConnectionError, TimeoutError and AuthenticationError, after which it is closed.

    `timeout` is how long one reply may take, so that a connection whose other end is gone without a word is noticed.
    """

    def __init__(
        self, node: Node, login: Login, *, timeout: float, tls: Mapping[str, object] | None, database: int = 0
    ) -> None:
        self.node = node
        kind: Any = Connection if tls is None else SSLConnection
        self._connection: _Connection = kind(
            host=node.host,
            port=node.port,
            db=database,
            username=login.username,
            password=login.password,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            socket_keepalive=True,
            protocol=2,
            client_name="afterwards",
            retry=Retry(NoBackoff(), 0),
            **(tls or {}),
        )

    def open(self) -> None:
        """Connect, log in, choose the database."""
        self._connection.connect()

    def ask(self, commands: Sequence[Command]) -> list[object]:
        """The reply to each; one that is an error comes as its exception."""
        self._send(commands)
        return [self._reply() for _ in commands]

    def tell(self, *command: str) -> None:
        """Send a command; its reply is heard."""
        self._send([command])

    def heard(self, timeout: float) -> object:
        """The next message within `timeout` seconds, or None."""
        return self._connection.read_response() if self._connection.can_read(timeout) else None

    def close(self) -> None:
        """Harmless when repeated. In a forked child it does not disturb the parent, whose connection it was."""
        self._connection.disconnect()

    def _send(self, commands: Sequence[Command]) -> None:
        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)

    def _reply(self) -> object:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error
