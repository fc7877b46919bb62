"""`afterwards dashboard`: serves the pages of a store to this machine."""

from __future__ import annotations

import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from afterwards import Afterwards
from tests.doors.cli_runs import CommandLine
from tests.doors.diary import PATIENCE, note
from tests.doors.streams import stream


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


def test_it_serves_the_store_and_ends_when_it_is_told_to_with_a_page_open(command: CommandLine):
    task = Afterwards(url=command.url, worker=False).add_sync(note, "a")
    with command.start("dashboard") as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://(127\.0\.0\.1):(\d+)", process.stdout.readline())
            assert found is not None
            address = found[1], int(found[2])
            with urllib.request.urlopen(f"{found[0]}/tasks", timeout=PATIENCE) as page:
                assert str(task.id) in page.read().decode()
            with stream(address, "/", Host="rebound.example") as refused:
                assert refused.status == 403
            with stream(address, "/live") as live:
                next(live)
                process.send_signal(signal.SIGTERM)
                list(live)
            assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_without_a_store_it_makes_none_and_says_so(command: CommandLine):
    run = command.on_store("dashboard")
    assert (run.code, "there is no store" in run.err) == (1, True)
    assert command.files() == set()


def test_a_port_that_is_taken_is_said(command: CommandLine):
    Afterwards(url=command.url, worker=False).add_sync(note, "a")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = command.on_store("dashboard", "--port", str(taken.getsockname()[1]))
    assert (run.code, "Take another --port" in run.err) == (1, True)
