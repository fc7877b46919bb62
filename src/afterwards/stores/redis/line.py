"""The way of one thread to the server: connects when it is needed, and runs talks side by side, a round trip a step.

A connection that breaks is not mended here: the talks that had no answer are marked, to be begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from redis.exceptions import (
    ConnectionError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from afterwards.errors import AfterwardsError
from afterwards.stores.redis.address import Address, Node
from afterwards.stores.redis.clock import Clock
from afterwards.stores.redis.errands import Argument, Ask, Group, Talk
from afterwards.stores.redis.route import Route
from afterwards.stores.redis.scripts import Script, channel, keys, script
from afterwards.stores.redis.trouble import Trouble, trouble
from afterwards.stores.redis.wire import Command, Wire

_CUT = (ConnectionError, TimeoutError, OSError)

Talks = dict[Group, tuple[Talk[Sequence[object]], Ask]]  # each with what it asks now


class _Elsewhere(Protocol):
    """Where a server of a cluster says that the keys are; redis-py gives it no types."""

    host: str
    port: int


class NotDurable(ConnectionError):
    """The server has it, but did not confirm in time that it is on the disk or on the replicas."""


class Line:
    """Belongs to one thread. `prepare` is called with each new connection; `ring`, when a script says that it rings."""

    def __init__(
        self,
        address: Address,
        clock: Clock,
        caller: str,
        *,
        timeout: float,
        ring: Callable[[], None],
        prepare: Callable[[Line], None] = lambda _: None,
    ) -> None:
        self.address = address
        self._clock = clock
        self._caller = caller
        self._timeout = timeout
        self._ring = ring
        self._prepare = prepare
        self._keys = keys(address.tag)
        self._route = Route(address, timeout=timeout)
        self._wire: Wire | None = None
        self._is_leaving = False

    def talk(self, groups: Sequence[Group]) -> None:
        """Let all come to their end; each then has its answers, or its error."""
        for group in groups:
            group.error = None
        talks: Talks = {}
        try:
            wire = self._connected()
            talks = _begun(groups)
            while talks:
                talks = self._one_step(wire, talks)
        except _CUT as error:
            self._is_leaving = True
            for group in talks or groups:
                group.is_again |= group in talks
                group.refused(error)
        except (RedisError, AfterwardsError) as error:  # refused while connecting
            self._leave_after([error])
            self._is_leaving = True
            for group in groups:
                group.refused(error)
        if self._is_leaving:
            self.close()

    def call(self, called: Script, arguments: Sequence[Argument] = ()) -> object:
        """Run one script now, for `prepare`. Raises RedisError."""
        [reply] = self._with_scripts(self._opened(), [(called, self._header("", is_again=False), arguments)])
        if isinstance(reply, ResponseError):
            raise reply
        return cast("list[object]", reply)[1]

    def ask(self, *commands: Command) -> list[object]:
        """The replies to plain commands, for `prepare`. Raises RedisError where the connection breaks."""
        return self._opened().ask(commands)

    def close(self) -> None:
        """Let go of the connection."""
        wire, self._wire, self._is_leaving = self._wire, None, False
        if wire is not None:
            wire.close()

    def _opened(self) -> Wire:
        if self._wire is None:
            raise ConnectionError("the connection has been closed")
        return self._wire

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = self._route.connect()
            self._prepare(self)
        return self._opened()

    def _one_step(self, wire: Wire, talks: Talks) -> Talks:
        """One round trip: the talks that go on, with what they ask next."""
        calls = [
            (script(ask.script), self._header(group.token, is_again=group.is_again), ask.arguments)
            for group, (_, ask) in talks.items()
        ]
        is_durable = any(group.verb.durable for group in talks)
        replies = self._with_scripts(wire, calls, self._until_durable() if is_durable else ())
        self._leave_after(replies)
        going_on: Talks = {}
        for (group, (talk, _)), reply in zip(talks.items(), replies, strict=True):
            if isinstance(reply, ResponseError):
                group.refused(reply)
            else:
                rings, payload = cast("tuple[int, object]", reply)
                if rings:
                    self._ring()
                _advance(going_on, group, talk, payload)
        return going_on

    def _with_scripts(
        self,
        wire: Wire,
        calls: Sequence[tuple[Script, Sequence[Argument], Sequence[Argument]]],
        last: Sequence[Command] = (),
    ) -> list[object]:
        """The replies to these scripts; a server that has not seen one is given it. `last` must come true."""
        commands = [self._command(*called) for called in calls]
        replies = self._sent(wire, commands, last)
        unseen = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unseen:
            texts = {calls[at][0].sha: calls[at][0].text for at in unseen}
            loaded = dict(zip(texts, wire.ask([["SCRIPT", "LOAD", text] for text in texts.values()]), strict=True))
            for at, reply in zip(unseen, self._sent(wire, [commands[at] for at in unseen], last), strict=True):
                replies[at] = loaded[calls[at][0].sha] if isinstance(reply, NoScriptError) else reply
        return replies

    def _sent(self, wire: Wire, commands: Sequence[Command], last: Sequence[Command]) -> list[object]:
        replies = wire.ask([*commands, *last])
        if last:
            self._check_durable(replies[-1])
        return replies[: len(commands)]

    def _command(self, called: Script, header: Sequence[Argument], arguments: Sequence[Argument]) -> Command:
        return ["EVALSHA", called.sha, len(self._keys), *self._keys, *header, *arguments]

    def _header(self, token: str, *, is_again: bool) -> list[Argument]:
        address, offset = self.address, self._clock.microseconds
        beginning: list[Argument] = [channel(address.tag), self._caller, offset, token, int(is_again)]
        return [*beginning, address.most_ended, address.most_bytes]

    def _until_durable(self) -> Sequence[Command]:
        """A wait counts what this connection wrote: so it writes something, should all have been written before."""
        address, wait = self.address, int(self._timeout * 700)  # milliseconds, so that the reply itself comes in time
        nudge: Command = ["HSET", self._keys[0], "nudged", self._caller]
        if address.fsync:
            return [nudge, ["WAITAOF", 1, address.replicas, wait]]
        return [nudge, ["WAIT", address.replicas, wait]] if address.replicas else []

    def _check_durable(self, reply: object) -> None:
        if isinstance(reply, ResponseError):
            raise NotDurable(f"it cannot confirm that the write is on its disk: {reply}")
        counts = cast("list[int]", reply) if self.address.fsync else [1, cast("int", reply)]
        if counts[0] < 1:
            raise NotDurable("it did not confirm in time that the write is on its disk")
        if counts[1] < self.address.replicas:
            raise NotDurable(f"only {counts[1]} of {self.address.replicas} replicas have confirmed the write in time")

    def _leave_after(self, replies: Iterable[object]) -> None:
        """A server of a cluster may say who has the keys now; one that cannot be written to any more is left."""
        for reply in replies:
            if isinstance(reply, ResponseError) and trouble(reply) is Trouble.AWAY:
                self._is_leaving = True
            if isinstance(reply, MovedError):
                place = cast("_Elsewhere", reply)  # without a host it is the one that was asked
                self._route.moved(Node(place.host or self._opened().node.host, place.port))


def _begun(groups: Sequence[Group]) -> Talks:
    talks: Talks = {}
    for group in groups:
        talk = group.verb.talk([errand.request for errand in group.errands])
        _advance(talks, group, talk, None)
    return talks


def _advance(talks: Talks, group: Group, talk: Talk[Sequence[object]], reply: object) -> None:
    """Let it take the reply: it asks once more, or has its answers."""
    try:
        talks[group] = talk, _storable(talk.send(reply))
    except StopIteration as end:
        group.answered(cast("Sequence[object]", end.value))
    except Exception as error:  # of this one alone; the others go on
        group.refused(error)


def _storable(ask: Ask) -> Ask:
    """Raises UnicodeEncodeError before anything is sent."""
    for argument in ask.arguments:
        if isinstance(argument, str) and not argument.isascii():
            argument.encode()
    return ask
