from __future__ import annotations

import time

import pytest

from afterwards.clocks import Clocks


def test_clocks_that_go_on_together_have_not_jumped():
    clocks = Clocks()
    assert not clocks.jumped()
    assert not clocks.jumped()


@pytest.mark.parametrize("seconds", [3.0, -3.0, 1e6])
def test_a_jump_is_told_once(seconds: float, monkeypatch: pytest.MonkeyPatch):
    clocks, read = Clocks(), time.time
    monkeypatch.setattr(time, "time", lambda: read() + seconds)
    assert clocks.jumped()
    assert not clocks.jumped()


def test_a_small_correction_is_no_jump(monkeypatch: pytest.MonkeyPatch):
    clocks, read = Clocks(), time.time
    monkeypatch.setattr(time, "time", lambda: read() + 1.5)
    assert not clocks.jumped()
