"""Starts the journeys' app as real processes, and watches what they leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2

from afterwards import Afterwards, Census, State, Task

HERE = Path(__file__).parent


def until(condition: Callable[[], object], what: str, *, timeout: float = 20.0) -> None:
    """Wait until the condition holds; fail in words. Looking takes a third of the time at most, and leaves the rest."""
    deadline = time.monotonic() + timeout
    looked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < deadline, f"not within {timeout} s: {what}"
        time.sleep(max(0.02, 2 * (now - looked)))
        looked = time.monotonic()


@dataclass
class Journey:
    """One store file, one file of marks, and the processes that were started on them."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    store: str | None = None  # its URL, in place of a file in the folder

    @property
    def url(self) -> str:
        return self.store or f"sqlite:///{self.folder / 'journey.db'}"

    @property
    def environment(self) -> dict[str, str]:
        own = {"AFTERWARDS_URL": self.url, "JOURNEY_MARKS": str(self.folder / "marks")}
        paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, **own, **self.settings, "PYTHONPATH": os.pathsep.join(paths)}

    def marks(self, kind: str) -> list[list[str]]:
        """The words of each line that begins with `kind`."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "marks").read_text().splitlines()
            return [line.split()[1:] for line in lines if line.startswith(kind)]
        return []

    def ended(self) -> set[int]:
        """The numbers of the tasks that reached their end at least once."""
        return {int(words[0]) for words in self.marks("end")}

    def serve(
        self, *arguments: str, port: int | None = None, may_die: bool = False, app: str = "the_app:app"
    ) -> Server:
        """Start uvicorn, and wait until it answers; with `may_die`, or until it has ended."""
        port = port or free_port()
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
        process = self.start([*command, *arguments])
        server = Server(port, process)
        until(lambda: server.answers() or process.poll() is not None, "the server answers")
        assert may_die or process.poll() is None, "the server has ended at once"
        return server

    def start(self, command: list[str], *, cwd: Path = HERE) -> subprocess.Popen[bytes]:
        """Start any process in this journey's environment; it is killed at the journey's end."""
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=cwd, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.processes.append(process)
        return process

    def output(self) -> str:
        """All that the processes wrote."""
        return (self.folder / "output").read_text()

    def census(self) -> Census:
        """The store's own count."""

        async def count() -> Census:
            async with Afterwards(url=self.url, worker=False).opened() as afterwards:
                return await afterwards.census()

        return anyio.run(count)

    def tasks(self, state: State | None = None, *, limit: int = 1_000_000) -> list[Task]:
        """The tasks as they are stored."""

        async def find() -> list[Task]:
            async with Afterwards(url=self.url, worker=False).opened() as afterwards:
                return await afterwards.find(state=state, limit=limit)

        return anyio.run(find)

    def unfinished(self) -> int:
        """How many tasks are waiting or running."""
        by_state = self.census().by_state
        return by_state.get(State.WAITING, 0) + by_state.get(State.RUNNING, 0)

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@dataclass
class Server:
    """One running uvicorn."""

    port: int
    process: subprocess.Popen[bytes]

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx2.Client]:
        """A client on it."""
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as client:
            yield client

    def kill(self) -> None:
        """SIGKILL, to the whole group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def terminate(self, timeout: float = 30) -> None:
        """SIGTERM, and wait for the end."""
        self.process.terminate()
        self.process.wait(timeout)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
