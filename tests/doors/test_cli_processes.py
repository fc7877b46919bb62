"""What `afterwards worker` refuses, and what it says, when it is asked for several processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from afterwards.cli import work
from tests.doors.cli_runs import CommandLine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is one process only on Windows")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    (tmp_path / "the_app.py").write_text("from afterwards import Afterwards\nafterwards = Afterwards()\n")
    return CommandLine(tmp_path, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--processes", "0"], "--processes"),
        (["--processes", "two"], "--processes"),
        (["--threads", "0"], "--threads"),
        (["--max-tasks", "0"], "--max-tasks"),
        (["--max-memory", "512"], "'512' is no size: a number with its unit is meant, such as 512MB or 2GB"),
        (["--health", "9000"], "'9000' says no host: 127.0.0.1:9000 for this machine only"),
        (["--health", ":9000"], "':9000' says no host"),
        (["--queue", "", "--processes", "2"], "queue takes a name"),
    ],
)
def test_nonsense_is_a_wrong_use(command: CommandLine, words: list[str], told: str):
    run = command("worker", "the_app:afterwards", *words)
    assert run.code == 2
    assert told in run.err


@pytest.mark.parametrize("words", [[], ["--processes", "2"]])
def test_an_address_that_somebody_else_has_is_told(command: CommandLine, words: list[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        worker = command.start("worker", "the_app:afterwards", "--health", f"127.0.0.1:{port}", *words)
        out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert f"nothing can listen on 127.0.0.1 port {port}: Address already in use" in out
    assert "Traceback" not in out


def test_a_host_that_does_not_exist_is_told(command: CommandLine):
    worker = command.start("worker", "the_app:afterwards", "--health", "no-such-host.invalid:9000")
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 1
    assert "nothing can listen on no-such-host.invalid port 9000" in out
    assert "Traceback" not in out


def test_tests_mode_is_refused_before_anything_starts(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AFTERWARDS_MODE", "inline")
    run = command("worker", "the_app:afterwards", "--processes", "2")
    assert run.code == 1
    assert "AFTERWARDS_MODE is set, which is for tests" in run.err


def test_reload_without_watchfiles_says_what_to_install(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work, "can_watch", lambda: False)
    run = command("worker", "the_app:afterwards", "--reload")
    assert run.code == 1
    assert "pip install 'afterwards[reload]'" in run.err


IN_A_FOLDER_THAT_CANNOT_BE_WATCHED = """
from pathlib import Path
Path.cwd = lambda: Path("no-such-folder")
from afterwards.cli import main
main()
"""


def test_reload_where_nothing_can_be_watched_ends_in_words(command: CommandLine):
    words = ["worker", "the_app:afterwards", "--reload"]
    run = subprocess.run(
        [sys.executable, "-c", IN_A_FOLDER_THAT_CANNOT_BE_WATCHED, *words],
        cwd=command.folder,
        env={**os.environ, "AFTERWARDS_URL": command.url},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 1
    assert "no-such-folder cannot be watched for changes" in run.stderr
    assert "WATCHFILES_FORCE_POLLING=1" in run.stderr
    assert "Traceback" not in run.stderr


def test_windows_has_one_process_and_says_so(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work, "IS_WINDOWS", True)
    for words in (["--processes", "2"], ["--max-tasks", "5"], ["--max-memory", "1GB"], ["--reload"]):
        run = command("worker", "the_app:afterwards", *words)
        assert run.code == 2
        assert "one process only on Windows" in run.err


def test_a_place_of_the_wrong_form_is_told_once_and_is_a_wrong_use(command: CommandLine):
    worker = command.start("worker", "the_app.py", "--processes", "2")
    out, _ = worker.communicate(timeout=30)
    assert worker.returncode == 2
    assert out.count("has not the form module:attribute") == 1
    assert "supervisor" not in out, "none has been started for it"


def test_lines_of_the_log_tell_whose_they_are(command: CommandLine):
    worker = command.start("worker", "the_app:afterwards", "--processes", "2")
    assert worker.stdout is not None
    seen: set[str] = set()
    while not {"worker-1:", "worker-2:", "supervisor:"} <= seen:
        line = worker.stdout.readline()
        assert line, "it has ended"
        seen.add(line.split()[3])
    worker.terminate()
    worker.communicate(timeout=20)
    assert worker.returncode == 0
