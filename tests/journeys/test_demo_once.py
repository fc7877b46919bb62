"""`afterwards demo --once`: the main promise, kept before everybody's eyes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.journeys.demos import run_demo


def test_every_mail_arrives_though_the_app_is_killed():
    demo = run_demo("demo", "--once")
    out, _ = demo.communicate(timeout=90)
    assert demo.returncode == 0, out
    assert re.search(r"her mail has arrived over SMTP, \d+ ms after the POST", out)
    assert "kill -9" in out
    assert "20 of 20 mails have arrived" in out
    assert "21 registered, 21 have their mail, 0 have it twice." in out


def test_an_app_that_cannot_start_is_told_with_its_last_words(tmp_path: Path):
    (tmp_path / "tasks.db").write_text("no database " * 1000)
    demo = run_demo("demo", "--once", "--directory", str(tmp_path))
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "the app ended" in out
    assert "damaged or no SQLite file" in out
