"""A real browser, if this machine has one: Chromium or Chrome by its usual names, or the one that a variable names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program() -> str | None:
    """Where it is."""
    yours = os.environ.get("AFTERWARDS_TEST_BROWSER")
    return yours or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """One that is open inside the block. Skips the test where there is none."""
    where = program()
    if where is None:
        pytest.skip("no Chromium or Chrome on this machine; AFTERWARDS_TEST_BROWSER may name one")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is missing")
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=where, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()
