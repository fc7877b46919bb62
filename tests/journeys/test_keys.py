"""Real processes that add under the same keys at once are told of the same tasks, also if one of them is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import pytest

from afterwards.stores import store_for
from afterwards.tasks import Search
from tests.journeys.keyed import KEYS, TIMES
from tests.journeys.places import STORES

PROJECT = Path(__file__).parents[2]


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return STORES[str(request.param)](request)(tmp_path)


def start(url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "src")])}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.keyed", url],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.parametrize("kills", [pytest.param(False, marks=pytest.mark.soak), True], ids=["in peace", "with a kill"])
async def test_processes_that_add_under_the_same_keys_at_once_get_one_task_for_each(url: str, kills: bool):
    processes = [start(url) for _ in range(3)]
    for process in processes:
        begin(process)
    killed = processes[:1] if kills else []
    for process in killed:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    told: dict[int, set[UUID]] = defaultdict(set)
    for process in processes:
        out, _ = process.communicate(timeout=60)
        lines = [line.split() for line in out.splitlines() if len(line) > 36]
        for number, id in lines:
            told[int(number)].add(UUID(id))
        assert process in killed or (process.returncode, len(lines)) == (0, KEYS * TIMES)
    store = store_for(url)
    await store.open()
    tasks = await store.find(Search(), limit=1000)
    await store.close()
    assert sorted(task.key or "" for task in tasks) == sorted(f"key {number}" for number in range(KEYS))
    assert {id for ids in told.values() for id in ids} == {task.id for task in tasks}
    assert {len(ids) for ids in told.values()} == {1}
