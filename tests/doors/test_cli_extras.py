"""What the command line says when an extra is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.doors.cli_runs import CommandLine


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


def test_without_typer_it_names_the_extra_in_one_line(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    run = command("list")
    assert (run.code, run.out) == (1, "")
    assert run.err == "afterwards: the command line needs typer: pip install 'afterwards[cli]'"


def test_without_its_libraries_the_demo_names_them_and_the_extra(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    for library in ("aiosmtpd", "sqlalchemy"):
        monkeypatch.setitem(sys.modules, library, None)
    run = command("demo", "--once")
    assert run.code == 1
    assert run.err == "afterwards: the demo needs aiosmtpd, sqlalchemy: pip install 'afterwards[demo]'\n"


def test_a_folder_that_cannot_be_is_told(command: CommandLine):
    (command.folder / "file").touch()
    run = command("demo", "--directory", "file/folder")
    assert run.code == 1
    assert "cannot be the demo's folder" in run.err
