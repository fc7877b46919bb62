"""A real browser, if this machine has one: Chromium or Chrome by its usual names, or the one that a variable names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.machine import cannot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program() -> str | None:
    """Where it is."""
    yours = os.environ.get("AFTERWARDS_TEST_BROWSER")
    return yours or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """One that is open inside the block. Where there is none the test is skipped, but not in CI."""
    where = program()
    if where is None:
        cannot("no Chromium or Chrome on this machine; AFTERWARDS_TEST_BROWSER may name one")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is missing")
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=where, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def opened(chromium: Browser, place: str, complains_of: str = "", **options: Any) -> Iterator[Page]:
    """A page on which nothing may go wrong: no error, no complaint, no dialog, no request to another host.

    `complains_of` names the status of answers that the browser itself writes a line about.
    """
    context = chromium.new_context(base_url=place, **options)
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: refuse(dialog, wrong))
    page.on("request", lambda it: wrong.append(it.url) if urlsplit(it.url).netloc != urlsplit(place).netloc else None)
    try:
        yield page
        expected = f"the server responded with a status of {complains_of}"
        assert [one for one in wrong if not (complains_of and expected in one)] == []
    finally:
        context.close()


def refuse(dialog: Dialog, wrong: list[str]) -> None:
    """Only a script of a stranger would open one."""
    wrong.append(f"a dialog: {dialog.message}")
    dialog.dismiss()
