"""Proof of life: each worker holds a lock on a file of its own for as long as its process lives.

The kernel drops the lock when the process dies, however it dies. So a free lock proves death; a held one proves
nothing (a forked child may have inherited it), and the lease still counts. A missing file means "on another host",
never "dead".
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from afterwards.tasks import SignedOn, WorkerId

try:
    import fcntl
except ImportError:  # Windows: the lease alone tells
    fcntl = None  # type: ignore[assignment]  # so that one `is None` asks for it below

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ProofOfLife:
    """Holds this process's lock files for one store, and tells which workers of this host have died.

    `host` is the same for all processes that share the lock directory since the machine started, and for no others.
    """

    def __init__(self) -> None:
        self._directory = _user_directory()
        self._held: dict[WorkerId, int] = {}
        self._identity = ""
        self.host = f"{uuid4()}"  # a host of its own, until `prepare` has found the shared token
        _all.add(self)

    def prepare(self, store_identity: str) -> None:
        """Make the lock directory of this store and read its token. Without one (Windows) only leases count."""
        self._identity = store_identity
        if fcntl is None:
            return
        self._directory = _user_directory() / hashlib.sha256(store_identity.encode()).hexdigest()[:16]
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._directory.parent.stat().st_uid != os.getuid():
                return  # somebody else's directory of our name in a shared /tmp proves nothing
            self.host = f"{_token(self._directory)}:{_boot_id()}"

    def begin(self, worker: WorkerId) -> None:
        """Hold the worker's lock from now until `end`, or the death of this process."""
        if fcntl is None:
            return
        with contextlib.suppress(OSError):
            descriptor = self._opened(worker)
            self._held[worker] = descriptor
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.end(worker)  # a file without its lock would prove a living worker dead

    def end(self, worker: WorkerId) -> None:
        """The worker has signed off: its file goes."""
        descriptor = self._held.pop(worker, None)
        if descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._file(worker).unlink(missing_ok=True)
        os.close(descriptor)
        self._tidy()

    def dead(self, workers: Iterable[SignedOn]) -> list[WorkerId]:
        """Those of this host whose lock is free."""
        return [worker.id for worker in workers if worker.host == self.host and self._is_free(worker.id)]

    def forget(self, workers: Iterable[WorkerId]) -> None:
        """Remove the files of workers that are dead and rescued."""
        for worker in workers:
            with contextlib.suppress(OSError):
                self._file(worker).unlink(missing_ok=True)

    def let_go(self) -> None:
        """In a forked child: close the inherited locks, or the parent's death could not be told."""
        for descriptor in self._held.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._held.clear()

    def _opened(self, worker: WorkerId) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._file(worker), flags, 0o600)
        except FileNotFoundError:  # the last of the others has just left, and tidied up
            self.prepare(self._identity)
            return os.open(self._file(worker), flags, 0o600)

    def _tidy(self) -> None:
        """The last to leave removes the directory, or one would stay for every store there ever was."""
        with contextlib.suppress(OSError):
            if not any(self._directory.glob("*.lock")):
                (self._directory / "token").unlink()
                self._directory.rmdir()

    def _is_free(self, worker: WorkerId) -> bool:
        if worker in self._held or fcntl is None:
            return False
        try:
            descriptor = os.open(self._file(worker), os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # no file: not of this host, or not ours to read
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _file(self, worker: WorkerId) -> Path:
        return self._directory / f"{worker}.lock"


_all: weakref.WeakSet[ProofOfLife] = weakref.WeakSet()


def _let_all_go() -> None:
    for proof in _all:
        proof.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_all_go)


def _user_directory() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"afterwards-{user}"


def _token(directory: Path) -> str:
    """The directory's random token, made by whoever comes first."""
    file = directory / "token"
    if not file.exists():
        draft = directory / f"token-{secrets.token_hex(8)}"
        draft.write_text(secrets.token_hex(16), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text(encoding="ascii")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "-"
