"""The place of a child, with programs in place of workers."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from afterwards.supervisor.child import Child
from afterwards.supervisor.lines import Lines
from afterwards.supervisor.place import Place
from tests.rooms.builders import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


def nobody_is_hopeless(child: Child) -> None:
    raise AssertionError("it has come up before")


async def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    program, begun = tmp_path / "program", tmp_path / "begun"
    place = Place(1, [str(program)], Lines(), came_up=lambda: None, hopeless=nobody_is_hopeless)
    with caplog.at_level(logging.ERROR):
        async with asyncio.TaskGroup() as group:
            group.create_task(place.keep())
            await until(lambda: "worker 1 cannot be started" in caplog.text)
            assert place.seen().trouble == "it is not running"
            program.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 60\n")
            program.chmod(0o755)
            await until(begun.exists)
            assert place.seen().trouble == "it has not started yet"
            place.kill()
    assert place.seen().pid is None


SAYS_NOTHING_MORE = """
import os, pathlib, sys, time

number, _, descriptor = sys.argv[-1].partition(":")
os.write(int(descriptor), b'{"report": {"up": true, "signed_on": true}}\\n')
pathlib.Path(sys.argv[1]).open("a").write(f"{os.getpid()}\\n")
time.sleep(60)
"""


async def test_a_child_that_falls_silent_for_long_is_ended_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    begun = tmp_path / "begun"
    begun.touch()
    command = [sys.executable, "-c", SAYS_NOTHING_MORE, str(begun)]
    place = Place(1, command, Lines(), came_up=lambda: None, hopeless=nobody_is_hopeless, patience=0.3)
    with caplog.at_level(logging.WARNING):
        async with asyncio.TaskGroup() as group:
            group.create_task(place.keep())
            await until(lambda: len(begun.read_text().split()) == 2)
            place.kill()
    assert "said nothing any more and was killed; another starts now" in caplog.text
    assert place.seen().pid is None
