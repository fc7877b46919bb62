"""Where one system is measured once: its empty store, its record, and the processes that are started there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from places import Place, place
from systems.record import Record

from measuring.environments import python_of
from measuring.field import BENCHMARKS, Entry

PATIENCE = 60.0  # seconds in which no task has run
ADDS_WITHIN = 1200.0  # of which a hundred times the usual tasks take a slow system minutes
STARTS_WITHIN = 30.0
STOPS_WITHIN = 5.0
LOOKS_EVERY = 0.03  # seconds; nothing is measured by it
LOG_SHOWN = 2000  # characters


class Refused(Exception):
    """What was measured does not hold: tasks were lost, or a process died."""


class LeftOut(Exception):
    """The system has no API for this workload."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One system on an empty store."""

    entry: Entry
    place: Place
    folder: Path

    @property
    def record_path(self) -> Path:
        return self.folder / "record"

    def new_record(self, room: int) -> Record:
        """For the processes that are started from now on."""
        return Record.made(self.record_path, room)

    def ask(self, *arguments: object) -> object:
        """What the process that adds tasks answers. Raises LeftOut, Refused."""
        command = self._command("systems.adding", self.entry.module, *arguments)
        with self._log("adding").open("a+") as log:
            done = subprocess.run(
                command,
                cwd=BENCHMARKS,
                env=self._variables(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=ADDS_WITHIN,
                check=False,
            )
        if done.returncode != 0:
            raise Refused(f"adding ended with {done.returncode}: {self._said('adding')}")
        answer: object = json.loads(done.stdout.splitlines()[-1])
        if isinstance(answer, dict) and "left_out" in answer:
            raise LeftOut(answer["left_out"])
        return answer

    @contextmanager
    def workers(self, count: int) -> Iterator[list[int]]:
        """So many worker processes run inside the block; their ids."""
        with ExitStack() as stack:
            command = self._command("systems.working", self.entry.module)
            yield [stack.enter_context(self._process(f"worker-{number}", command)) for number in range(count)]

    @contextmanager
    def app(self) -> Iterator[tuple[int, int]]:
        """The app is served inside the block: its process and its port."""
        port = _free_port()
        command = self._command("uvicorn", "--factory", "systems.serving:app", "--port", port, "--loop", "uvloop")
        command += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
        worker = {"AFTERWARDS_WORKER": str(int(self.entry.in_app))}
        with self._process("app", command, **worker) as process:
            self._until_it_answers(process, port)
            yield process, port

    def until_run(self, record: Record, count: int, *, of: int | None = None) -> None:
        """Returns when so many tasks have run, of the first `of` (as many). Raises Refused when nothing goes on."""
        seen, since = -1, time.monotonic()
        while (run := record.count(of or count)) < count:
            if run != seen:
                seen, since = run, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                logs = {log.stem: self._said(log.stem) for log in sorted(self.folder.glob("*.log"))}
                raise Refused(f"{run} of {count} tasks have run, and none for {PATIENCE:.0f} s: {logs}")
            time.sleep(LOOKS_EVERY)

    def _command(self, module: str, *arguments: object) -> list[str]:
        return [str(python_of(self.entry.environment)), "-m", module, *map(str, arguments)]

    def _variables(self) -> dict[str, str]:
        variables = {**os.environ, "BENCH_URL": self.place.url, "BENCH_MODULE": self.entry.module}
        if self.record_path.exists():
            variables["BENCH_RECORD"] = str(self.record_path)
        return variables

    @contextmanager
    def _process(self, name: str, command: list[str], **variables: str) -> Iterator[int]:
        with self._log(name).open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=BENCHMARKS,
                env={**self._variables(), **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process.pid
            if process.poll() is not None:
                raise Refused(f"{name} ended by itself, with {process.returncode}: {self._said(name)}")
        finally:
            _stop(process)

    def _until_it_answers(self, process: int, port: int) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise Refused(f"the app does not answer: {self._said('app')}")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _said(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")[-LOG_SHOWN:]


@contextmanager
def site_for(entry: Entry) -> Iterator[Site]:
    """A new store, made ready for the system; all of it goes when the block ends."""
    with place(entry.store) as made, tempfile.TemporaryDirectory(prefix="afterwards-bench-") as folder:
        site = Site(entry=entry, place=made, folder=Path(folder))
        site.ask("prepare")
        yield site


def _stop(process: subprocess.Popen[bytes]) -> None:
    """It, and what it has started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOPS_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
