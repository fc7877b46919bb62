"""Several processes on one file."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from afterwards.stores.sqlite.statements import STATEMENTS
from tests.stores.builders import another_connection

PROCESSES = 3


def in_processes(module: str, *arguments: str) -> list[str]:
    """What each of them printed; none may fail."""
    commands = [[sys.executable, "-m", module, *arguments, f"worker {number}"] for number in range(PROCESSES)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands
    ]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(errors for _, errors in ended)
    return [said for said, _ in ended]


def test_processes_that_start_at_once_and_hammer_one_file_meet_no_error_and_run_each_task_once(tmp_path: Path):
    path = tmp_path / "tasks.db"
    said = in_processes("tests.stores.hammering", str(path))
    ran = Counter(line for output in said for line in output.splitlines())
    assert len(ran) > 100
    assert set(ran.values()) == {1}
    assert all(output.count("ran") > 10 for output in said), "every process had its turn"
    with another_connection(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [stored] = connection.execute(
            "SELECT count(*) FROM afterwards_tasks WHERE state = 'done' AND run = 1"
        ).fetchone()
        assert stored == len(ran)
        assert connection.execute(STATEMENTS["count_running"]).fetchone() == (0,)
