"""The threads of a store: one writes, one keeps watch for its workers, one looks things up for people, one listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_hex

from afterwards.bell import Bell
from afterwards.stores.redis.address import Address
from afterwards.stores.redis.clock import Clock
from afterwards.stores.redis.desk import Desk
from afterwards.stores.redis.ear import Ear
from afterwards.stores.redis.line import Line
from afterwards.stores.redis.lost import Lost
from afterwards.stores.redis.migrations import migrate
from afterwards.stores.redis.server import look, refuse_unfit, warnings_of

_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 0.5, 5.0


@dataclass(slots=True)
class Standing:
    """What is known of the store since it was opened."""

    identity: str | None = None
    warnings: list[str] = field(default_factory=list[str])


class Threads:
    """Each with its own connection; they start when they are first needed.

    `patience` is how long callers wait; one reply may take less, so that a lost one can be asked for again meanwhile.
    """

    def __init__(self, address: Address, clock: Clock, standing: Standing, *, patience: float) -> None:
        self.bell = Bell()
        self.lost = Lost()
        self._standing = standing
        caller, timeout = token_hex(8), min(max(patience * 0.4, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)
        lines = [Line(address, clock, caller, timeout=timeout, ring=self.bell.ring) for _ in range(2)]
        writing = Line(address, clock, caller, timeout=timeout, ring=self.bell.ring, prepare=self._prepare)
        self.writer = Desk("writer", writing, self.lost, patience=patience)
        self.intake = self.writer
        if address.fsync or address.replicas:  # who waits for a disk or a replica must not hold up claims
            taking = Line(address, clock, caller, timeout=timeout, ring=self.bell.ring, prepare=self._prepare)
            self.intake = Desk("intake", taking, self.lost, patience=patience)
        self.watch = Desk("watch", lines[0], self.lost, patience=patience)
        self.look = Desk("look", lines[1], self.lost, patience=patience)
        self.ear = Ear(address, caller, timeout=timeout, ring=self.bell.ring)

    def close(self) -> None:
        """Work off what was asked and end."""
        self.ear.close()
        for desk in self._desks:
            desk.close()

    def forget(self) -> None:
        """In a forked child: none of this is ours."""
        self.ear.forget()
        for desk in self._desks:
            desk.forget()

    @property
    def _desks(self) -> tuple[Desk, ...]:
        return self.look, self.watch, self.intake, self.writer

    def _prepare(self, line: Line) -> None:
        """Bring the store into being where it is missing: also where a server came back without its data."""
        server = look(lambda commands: line.ask(*commands))
        if server is not None:
            refuse_unfit(server, line.address)
        known = self._standing.identity or token_hex(16)
        self._standing.identity = migrate(line.call, line.address.description, identity=known)
        self._standing.warnings = warnings_of(server, line.address)
