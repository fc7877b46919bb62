"""How a command finds its store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.cli_runs import CommandLine

MODULE = "cli_app_of_a_test"


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERWARDS_URL", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield CommandLine(tmp_path, capsys, monkeypatch)
    sys.modules.pop(MODULE, None)


def write_app(command: CommandLine, text: str) -> None:
    (command.folder / f"{MODULE}.py").write_text(text)


def test_an_app_in_the_current_directory(command: CommandLine):
    write_app(
        command, "from afterwards import Afterwards\nprint('noise')\nafterwards = Afterwards(url='sqlite:///own.db')\n"
    )
    run = command("list", "--app", f"{MODULE}:afterwards")
    assert run.code == 0
    assert "own.db" in run.out
    assert "noise" not in run.out


def test_the_variable_of_the_environment(command: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AFTERWARDS_URL", "sqlite:///from-environment.db")
    assert "from-environment.db" in command("list").out


def test_a_module_that_does_not_exist(command: CommandLine):
    run = command("list", "--app", "no_such_module:afterwards")
    assert run.code == 1
    assert f"there is no module no_such_module in {command.folder}" in run.err


def test_a_module_that_misses_something(command: CommandLine):
    write_app(command, "import no_such_library\n")
    run = command("list", "--app", f"{MODULE}:afterwards")
    assert run.code == 1
    assert "it needs no_such_library" in run.err


def test_an_attribute_that_is_something_else(command: CommandLine):
    write_app(
        command, "from afterwards import Afterwards\napp = 'an app'\nafterwards = Afterwards(url='sqlite:///x.db')\n"
    )
    run = command("list", "--app", f"{MODULE}:app")
    assert run.code == 1
    assert f"{MODULE}:app is a str, not an Afterwards; there is {MODULE}:afterwards" in run.err


def test_an_attribute_that_does_not_exist(command: CommandLine):
    write_app(command, "")
    assert f"{MODULE}:afterwards is nothing" in command("list", "--app", f"{MODULE}:afterwards").err


@pytest.mark.parametrize(
    "place",
    [
        "main",
        "main:",
        ":afterwards",
        "../main:x",
        ".main:x",
        "..:x",
        "main.py:x",
        "a..b:x",
        "a/b:x",
        "a\\b:x",
        "a\0b:x",
    ],
)
def test_what_is_no_place(command: CommandLine, place: str):
    run = command("list", "--app", place)
    assert run.code == 2
    assert "module:attribute" in run.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no folder that somebody is in")
@pytest.mark.parametrize(
    "words",
    [["list"], ["migrate"], ["list", "--app", "main:x"], ["worker", "main:x"], ["worker", "main:x", "--reload"]],
)
def test_a_folder_that_has_been_deleted_is_told(tmp_path: Path, words: list[str]):
    gone = tmp_path / "gone"
    gone.mkdir()
    in_it = "import os, shutil\nshutil.rmtree(os.getcwd())\nfrom afterwards.cli import main\nmain()\n"
    run = subprocess.run([sys.executable, "-c", in_it, *words], cwd=gone, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr == "afterwards: the current folder has been deleted or moved away: change to another\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def fail():\n    raise RuntimeError('no key')\n\nfail()\n", "RuntimeError: no key"),
        ("x = (\n", "SyntaxError: "),
        ("raise SystemExit('usage')\n", "SystemExit: usage"),
        ("from afterwards import Afterwards\nAfterwards(url='mysql://x')\n", "UnsupportedURL: no store is known"),
    ],
)
def test_a_module_that_fails_is_named_before_its_own_lines(command: CommandLine, text: str, error: str):
    write_app(command, text)
    process = command.start("list", "--app", f"{MODULE}:afterwards")  # where no test runner stands in between
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.startswith(f"afterwards: {MODULE} cannot be imported: {error}")
    files = [line.split('"')[1] for line in said.splitlines() if line.startswith("  File ")]
    assert files[0] == str(command.folder / f"{MODULE}.py")


@pytest.mark.parametrize("words", [["list"], ["worker", f"{MODULE}:afterwards"]])
def test_a_mode_that_does_not_exist_is_told(command: CommandLine, monkeypatch: pytest.MonkeyPatch, words: list[str]):
    write_app(command, "from afterwards import Afterwards\nafterwards = Afterwards()\n")
    monkeypatch.setenv("AFTERWARDS_MODE", "foo")
    run = command(*words)
    assert run.code == 1
    assert run.err == "afterwards: AFTERWARDS_MODE is unset or 'inline', not 'foo'\n"


def test_two_stores_at_once(command: CommandLine):
    assert command("list", "--app", "main:afterwards", "--url", "sqlite:///x.db").code == 2


def test_a_url_without_a_store(command: CommandLine):
    run = command("list", "--url", "mysql://localhost/x")
    assert run.code == 1
    assert "no store is known for mysql://" in run.err
