"""axe-core, which finds what people with bad eyes, or without a mouse, stumble over. npm brings it, into .cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.machine import cannot

if TYPE_CHECKING:
    from playwright.sync_api import Page

VERSION = "4.14.1"
FINGERPRINT = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
CACHE = Path(__file__).parents[2] / ".cache"
PROGRAM = CACHE / f"axe-core-{VERSION}.js"
WITHIN = 60.0  # seconds
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map(
    ({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(({ html, any }) =>
        `${html.slice(0, 200)}  ${any.map(({ message }) => message).join(" ")}`) }))"""


def program() -> str:
    """Its text. Without npm the test is skipped, but not in CI."""
    if not PROGRAM.exists():
        _download()
    text = PROGRAM.read_bytes()
    assert sha256(text).hexdigest() == FINGERPRINT, f"{PROGRAM} is not what axe-core {VERSION} was: remove it"
    return text.decode()


def complaints(page: Page, program: str) -> list[Any]:
    """What it has against a page as it stands."""
    page.evaluate(program)
    found: list[Any] = page.evaluate(RUN)
    return found


def _download() -> None:
    npm = shutil.which("npm")
    if npm is None:
        cannot("there is no npm, which would bring axe-core")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", f"axe-core@{VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False)
        if done.returncode != 0:
            cannot(f"{' '.join(command)} failed: {done.stderr}")
        os.replace(Path(folder, "node_modules", "axe-core", "axe.min.js"), PROGRAM)  # another process may be faster
