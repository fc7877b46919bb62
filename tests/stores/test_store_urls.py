"""Which URL opens which store, and what is said about the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from afterwards.errors import UnsupportedURL
from afterwards.stores import store_for
from tests.stores.builders import files_in


def test_three_slashes_are_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert store_for("sqlite:///tasks.db").description == f"SQLite file {tmp_path / 'tasks.db'}"


def test_the_working_directory_may_change_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    store = store_for("sqlite:///tasks.db")
    monkeypatch.chdir("/")
    assert str(tmp_path) in store.description


def test_four_slashes_are_absolute(tmp_path: Path):
    assert store_for(f"sqlite:///{tmp_path}/tasks.db").description == f"SQLite file {tmp_path}/tasks.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_no_path_is_a_private_file(url: str):
    assert "private" in store_for(url).description


async def test_a_private_file_is_removed_at_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = store_for("sqlite://")
    await store.open()
    assert files_in(tmp_path)
    await store.close()
    assert files_in(tmp_path) == set()


def test_nothing_is_made_before_the_store_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store_for("sqlite://")
    store_for(f"sqlite:///{tmp_path}/tasks.db")
    assert files_in(tmp_path) == set()


async def test_a_path_may_hold_any_character(tmp_path: Path):
    folder = tmp_path / "täsk%20s & 100%"
    folder.mkdir()
    store = store_for(f"sqlite:///{folder}/tasks#1.db")
    await store.open()
    await store.close()
    assert (folder / "tasks#1.db").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://ann:secret@db/tasks", "no store is known for mysql://"),
        ("sqlite+aiosqlite:///tasks.db", r"no store is known for sqlite\+aiosqlite://"),
        ("tasks.db", "has no '://'"),
        ("", "has no '://'"),
        ("sqlite://tasks.db", "three slashes"),
        ("sqlite:///tasks.db?timeout=5", "takes no options"),
        ("sqlite:///.", "is a folder"),
        ("sqlite:////", "is a folder"),
        ("sqlite:///no_such_folder/", "is a folder"),
        ("sqlite:///ta\0sks.db", "holds a NUL character"),
        ("sqlite:///~nobody-of-this-name/tasks.db", "home folder that is not known"),
    ],
)
def test_every_other_url_is_refused_in_words_that_name_what_exists(url: str, words: str):
    with pytest.raises(UnsupportedURL, match=words) as refused:
        store_for(url)
    assert "secret" not in str(refused.value)
    assert "sqlite://" in str(refused.value)


def test_a_folder_is_refused_with_a_file_in_it_that_would_do(tmp_path: Path):
    with pytest.raises(UnsupportedURL, match="is a folder") as refused:
        store_for(f"sqlite:///{tmp_path}")
    would_do = str(refused.value).split()[-1]
    assert store_for(would_do).description == f"SQLite file {tmp_path / 'afterwards.db'}"


def test_a_python_without_sqlite_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for module in [name for name in sys.modules if name.startswith("afterwards.stores.sqlite")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    with pytest.raises(UnsupportedURL, match="install"):
        store_for("sqlite:///tasks.db")
