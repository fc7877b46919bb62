"""A fork: neither side may touch what the other has open, and nothing may be lost on either."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores.builders import another_connection
from tests.stores.forking import CHILD_GOES_FIRST, PARENT_GOES_FIRST

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize("who_goes_first", [CHILD_GOES_FIRST, PARENT_GOES_FIRST])
def test_both_sides_of_a_fork_go_on_and_nothing_is_lost(tmp_path: Path, who_goes_first: str):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.stores.forking"]
    run = subprocess.run(
        [*command, f"sqlite:///{tmp_path / 'tasks.db'}", who_goes_first],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said, *names = run.stdout.splitlines()
    assert said == "child ended with 0", run.stderr
    assert set(names) == {"parent:before", *(f"{who}:{number}" for who in ("parent", "child") for number in range(50))}
    with another_connection(tmp_path / "tasks.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
