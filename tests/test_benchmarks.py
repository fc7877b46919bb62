"""What the benchmarks rest on: the record that counts runs, the rates made of it, and the list of what is measured."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from measuring import site
from measuring.draining import rate
from measuring.environments import PINS, CannotInstall, make, pins
from measuring.field import FIELD, Entry
from measuring.tables import Cell, table
from places import Place
from systems.record import Record

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SECOND = 1_000_000_000


def test_a_record_counts_the_runs_of_another_process(tmp_path: Path):
    record = Record.made(tmp_path / "record", 5)

    code = "from systems.record import run; run(0); run(3); run(3)"
    subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, env={"BENCH_RECORD": str(tmp_path / "record")}, check=True
    )

    assert (record.count(5), record.twice(5)) == (2, 1)
    assert record.starts(5) == sorted([record.started[0], record.started[3]])
    assert len(record.processes()) == 1


def test_a_rate_begins_with_the_first_start():
    starts = [second * SECOND for second in range(100, 111)]

    assert rate(starts, [100 * SECOND], 1) == 1.0


def test_a_rate_of_several_processes_begins_when_the_last_of_them_has():
    slow, fast = [0, 1, 2, 3], [3 + tenth / 10 for tenth in range(1, 11)]
    starts = [round(second * SECOND) for second in (*slow, *fast)]

    assert rate(starts, [0, 3 * SECOND], 2) == 10.0


def test_there_is_no_rate_when_the_work_was_done_before_all_had_begun():
    starts = [second * SECOND for second in range(100)]

    assert rate(starts, [0, 95 * SECOND], 2) is None


def test_a_table_has_medians_ratios_dashes_and_reasons():
    cells = {
        "theirs": Cell(rounds=({"drain /s": 100.0}, {"drain /s": 300.0}, {"drain /s": 200.0})),
        "ours": Cell(rounds=({"drain /s": 500.0, "other": 1.5},)),
        "away": Cell(trouble="cannot be installed here"),
    }

    lines = [line.split() for line in table("drain", cells, None).splitlines()]

    assert lines[1] == ["theirs", "1.00", "200", "–"]
    assert lines[2] == ["ours", "2.50", "500", "1.50"]
    assert lines[3] == ["away", "–", "–", "–"]
    assert ["away:", "cannot", "be", "installed", "here"] in lines


def test_a_cell_whose_tasks_do_not_all_run_is_refused_with_what_its_processes_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(site, "PATIENCE", 0.1)
    measured = site.Site(entry=FIELD["starlette"], place=Place(url="sqlite://"), folder=tmp_path)
    record = measured.new_record(2)
    record.runs[0] = 1
    (tmp_path / "worker-0.log").write_text("out of tasks")

    with pytest.raises(site.Refused, match=r"1 of 2 tasks have run.*out of tasks"):
        measured.until_run(record, 2)


def test_a_peer_without_pins_cannot_be_installed_and_the_reason_is_said():
    with pytest.raises(CannotInstall, match=r"pins.txt has no heading \[nobody\]"):
        make("nobody")


@pytest.mark.parametrize("entry", FIELD.values(), ids=lambda entry: entry.name)
def test_every_system_has_a_file_that_says_how_it_is_set_up_and_pins(entry: Entry):
    assert entry.settings
    assert entry.environment is None or pins(entry.environment)


def test_peers_are_pinned_by_nothing_but_their_versions():
    lines = PINS.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"(#.*|\[[a-z-]+\]|[a-z0-9-]+==[\w.]+|)", line)] == []
