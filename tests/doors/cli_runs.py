"""Runs the command line in this process, as its console script does, and real ones beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from afterwards.cli import main


@dataclass(frozen=True)
class Run:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Types commands in an empty folder; `url` names a store in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.url = f"sqlite:///{(folder / 'tasks.db').as_posix()}"
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str) -> Run:
        self._monkeypatch.setattr(sys, "argv", ["afterwards", *words])
        self._capsys.readouterr()
        with ThreadPoolExecutor(1) as elsewhere, pytest.raises(SystemExit) as ended:
            elsewhere.submit(main).result()  # a test may have an event loop of its own in this thread
        said = self._capsys.readouterr()
        code = ended.value.code
        if isinstance(code, str):  # what the interpreter writes, and ends with 1
            return Run(1, said.out, said.err + code)
        return Run(int(code or 0), said.out, said.err)

    def on_store(self, *words: str) -> Run:
        """A command on the store at `url`."""
        return self(*words, "--url", self.url)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The same as a process of its own, which sees this project's own tests."""
        environment = {**os.environ, "AFTERWARDS_URL": self.url, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "afterwards", *words],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def files(self) -> set[str]:
        """What lies in the folder."""
        return {path.name for path in self.folder.iterdir()}


def columns(out: str) -> Iterable[list[str]]:
    """The words of each line below the headings."""
    return [line.split() for line in out.splitlines()[1:] if line]
