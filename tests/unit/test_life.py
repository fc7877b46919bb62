"""A free lock proves death; a held one, or none, proves nothing. Real locks, and a real fork."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterwards.life import ProofOfLife
from afterwards.tasks import SignedOn, WorkerId

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock: the lease alone tells there")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def proof(identity: str = "a store") -> ProofOfLife:
    made = ProofOfLife()
    made.prepare(identity)
    return made


def signed_on(worker: WorkerId, host: str) -> SignedOn:
    return SignedOn(id=worker, host=host, pid=1, label="here", signed_on=NOW, expires=NOW)


def test_two_processes_on_one_store_are_on_one_host() -> None:
    assert proof().host == proof().host
    assert proof().host != proof("another store").host


def test_a_worker_that_holds_its_lock_is_not_dead() -> None:
    mine, other = proof(), proof()
    worker = WorkerId("w1")
    mine.begin(worker)
    assert other.dead([signed_on(worker, mine.host)]) == []
    assert mine.dead([signed_on(worker, mine.host)]) == []


def test_a_worker_whose_file_is_missing_is_elsewhere_and_not_dead() -> None:
    assert proof().dead([signed_on(WorkerId("w1"), proof().host)]) == []


def test_a_worker_of_another_host_is_never_told_dead_here() -> None:
    dead, other = dead_worker(), proof()
    assert other.dead([signed_on(dead, "another host")]) == []


def test_a_worker_whose_process_has_died_is_dead() -> None:
    dead, other = dead_worker(), proof()
    assert other.dead([signed_on(dead, other.host)]) == [dead]
    other.forget([dead])
    assert other.dead([signed_on(dead, other.host)]) == [], "its file has gone with its rescue"


def test_a_clean_end_leaves_no_file(tmp_path: Path) -> None:
    mine = proof()
    mine.begin(WorkerId("w1"))
    mine.end(WorkerId("w1"))
    assert [path.name for path in tmp_path.glob("afterwards-*/*")] == []


def test_the_last_to_leave_tidies_up_and_those_who_come_meanwhile_hold_a_lock_all_the_same(tmp_path: Path) -> None:
    leaving, coming, looking = proof(), proof(), proof()
    leaving.begin(WorkerId("w1"))
    leaving.end(WorkerId("w1"))
    coming.begin(WorkerId("w2"))
    assert len(list(tmp_path.rglob("*.lock"))) == 1
    looking.prepare("a store")
    assert coming.host == looking.host
    leaving.begin(WorkerId("w3"))
    leaving.end(WorkerId("w3"))
    assert len(list(tmp_path.rglob("token"))) == 1, "somebody is still there"
    coming.end(WorkerId("w2"))


def test_a_forked_child_does_not_keep_its_parents_lock() -> None:
    """A child that outlived its parent would otherwise hide the parent's death."""
    reading, writing = os.pipe()
    begun, has_begun = os.pipe()
    parent = os.fork()
    if parent == 0:  # the worker's process: begins, forks a child that stays, and dies
        mine = proof()
        mine.begin(WorkerId("w1"))
        if os.fork() == 0:
            os.close(writing)
            os.write(has_begun, b".")
            os.read(reading, 1)
        os._exit(0)
    os.waitpid(parent, 0)
    os.read(begun, 1)
    other = proof()
    assert other.dead([signed_on(WorkerId("w1"), other.host)]) == [WorkerId("w1")]
    os.close(writing)  # the grandchild ends
    for descriptor in (reading, begun, has_begun):
        os.close(descriptor)


def test_without_a_directory_of_its_own_nothing_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "is" / "a file"))
    (tmp_path / "is").write_text("no directory")
    first, second = proof(), proof()
    first.begin(WorkerId("w1"))
    assert first.host != second.host
    assert second.dead([signed_on(WorkerId("w1"), first.host)]) == []


def dead_worker() -> WorkerId:
    """A worker whose process began and is gone."""
    worker = WorkerId("gone")
    child = os.fork()
    if child == 0:
        proof().begin(worker)
        os._exit(0)
    os.waitpid(child, 0)
    return worker


def test_a_lock_that_cannot_be_had_leaves_no_file_that_would_prove_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl, opened, worker = pytest.importorskip("fcntl"), list[int](), WorkerId("w1")

    def refuse(descriptor: int, operation: int) -> None:
        opened.append(descriptor)
        raise OSError(errno.ENOLCK, "no locks here")

    mine, other = proof(), proof()
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        mine.begin(worker)
    assert other.dead([signed_on(worker, mine.host)]) == []
    assert not list(tmp_path.rglob("*.lock"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_directory_of_somebody_else_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes it in a shared /tmp could pass for this host, and hold or free locks as he likes."""
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    first, second = proof(), proof()
    assert first.host != second.host
