"""A child's end of the socket: what it says arrives whole, and what it hears it heeds."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from afterwards.supervisor.channel import LAST_STEPS, Channel
from afterwards.supervisor.limits import Limits
from afterwards.supervisor.reports import CannotStart, Report, Wanted, from_line
from tests.rooms.builders import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


@dataclass
class Ends:
    """Both ends of one socket; the child's process is said to end with these codes."""

    supervisor: socket.socket
    child: Channel
    codes: list[int]


@pytest.fixture
def ends() -> Iterator[Ends]:
    supervisor, theirs = socket.socketpair()
    codes: list[int] = []
    channel = Channel(theirs.detach(), Limits(), end=codes.append)
    channel.grace = -LAST_STEPS  # it ends itself as soon as it is to stop
    with supervisor:
        yield Ends(supervisor, channel, codes)
    channel.close()


async def test_a_long_trouble_and_the_reports_beside_it_arrive_as_whole_lines(ends: Ends):
    supervisor, channel = ends.supervisor, ends.child
    said = [f"{letter}" * 90_000 for letter in "abcdefgh"]
    speakers = [threading.Thread(target=channel.cannot_start, args=(text,)) for text in said]
    with supervisor.makefile("rb") as lines:
        channel.watch.come_up()
        channel.start()
        for speaker in speakers:
            speaker.start()
        heard: list[str] = []
        reports = 0
        while len(heard) < len(said) or not reports:
            match from_line(lines.readline()):
                case CannotStart(text=text):
                    heard.append(text)
                case Report(up=True):
                    reports += 1
                case other:
                    pytest.fail(f"unexpected: {other}")
        for speaker in speakers:
            speaker.join()
        assert sorted(heard) == said


@pytest.mark.parametrize("wanted", [Wanted.STOP, Wanted.REST])
async def test_it_heeds_what_the_supervisor_wants(ends: Ends, wanted: Wanted):
    supervisor, channel = ends.supervisor, ends.child
    channel.watch.come_up()
    channel.start()
    wish = channel.stop if wanted is Wanted.STOP else channel.rest
    supervisor.sendall(f"{wanted}\n".encode())
    await until(lambda: wish.told)
    assert channel.stop.told is (wanted is Wanted.STOP)


async def test_a_supervisor_that_has_gone_is_a_wish_to_stop(ends: Ends):
    supervisor, channel = ends.supervisor, ends.child
    channel.watch.come_up()
    channel.start()
    assert not channel.stop.told
    supervisor.close()
    await until(lambda: channel.stop.told)
    assert not channel.rest.told


async def test_one_that_does_not_stop_in_time_ends_itself(ends: Ends):
    ends.child.watch.come_up()
    ends.child.start()
    ends.supervisor.sendall(b"stop\n")
    await until(lambda: ends.codes == [1])


@pytest.mark.parametrize("wanted", Wanted)
async def test_one_that_has_not_come_up_has_nothing_to_finish(ends: Ends, wanted: Wanted):
    ends.child.start()
    ends.supervisor.sendall(f"{wanted}\n".encode())
    await until(lambda: ends.codes and ends.codes[0] == 0)


async def test_one_that_cannot_start_ends_with_the_code_of_its_caller(ends: Ends):
    ends.child.start()
    ends.child.cannot_start("no module")
    ends.child.close()
    with ends.supervisor.makefile("rb") as lines:
        heard = [from_line(line) for line in lines]
    assert CannotStart(text="no module") in heard
    assert 0 not in ends.codes, "it does not end itself as one that was told to stop"
