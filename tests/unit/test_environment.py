"""What the environment variables say."""

from __future__ import annotations

import pytest

from afterwards import environment


def test_the_url_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFTERWARDS_URL", raising=False)
    assert environment.store_url() == "sqlite:///afterwards.db"
    monkeypatch.setenv("AFTERWARDS_URL", "sqlite://")
    assert environment.store_url() == "sqlite://"


@pytest.mark.parametrize(
    ("value", "allowed"), [("0", False), ("false", False), (" OFF ", False), ("1", True), ("", True)]
)
def test_a_worker_is_allowed_unless_the_variable_says_no(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool
) -> None:
    monkeypatch.setenv("AFTERWARDS_WORKER", value)
    assert environment.worker_allowed() is allowed


@pytest.mark.parametrize(("value", "allowed"), [("0", False), (" No ", False), ("1", True), ("", True), (None, True)])
def test_a_migration_is_allowed_unless_the_variable_says_no(
    monkeypatch: pytest.MonkeyPatch, value: str | None, allowed: bool
) -> None:
    monkeypatch.delenv("AFTERWARDS_MIGRATE", raising=False)
    if value is not None:
        monkeypatch.setenv("AFTERWARDS_MIGRATE", value)
    assert environment.migration_allowed() is allowed


def test_a_misspelt_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERWARDS_MODE", "inlin")
    with pytest.raises(ValueError, match="inline"):
        environment.runs_inline()
    monkeypatch.setenv("AFTERWARDS_MODE", "inline")
    assert environment.runs_inline()
