"""The place of a child, where the system does not give it a process."""

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
