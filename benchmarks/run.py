"""Measures task systems side by side, in one run: ours, FastAPI's own background tasks, and the peers.

    python benchmarks/run.py [--systems NAME …] [--workloads NAME …] [--rounds 3] [--quick] [--results FILE]

Each cell (a system under a workload) has an empty store of its own, whose server is started here, and processes of its
own; a round goes through all systems of a workload before the next begins. What every task does is to note in a shared
file that it ran: a cell whose tasks have not all run is refused. Prints one JSON line for each cell, and appends it to
the file; then a table for each workload, with medians and ratios.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import amounts, environments, machine, speed
from measuring.field import BENCHMARKS, FIELD, Entry
from measuring.site import LeftOut, Refused
from measuring.sizes import QUICK, Figures, Sizes
from measuring.tables import Cell, table

from tests import older_redis

RESULTS = BENCHMARKS.parent / ".cache" / "benchmarks" / "results.jsonl"
WORKLOADS: dict[str, Callable[[Entry, Sizes], Figures]] = {
    "add": speed.add,
    "drain": speed.drain,
    "latency": speed.latency,
    "request": speed.request,
    "http": speed.http,
    "wide": amounts.wide,
    "backlog": amounts.backlog,
    "memory": amounts.memory,
    "history": amounts.history,
}
Cells = dict[str, dict[str, Cell]]  # by workload, then by system


def main() -> None:
    """Measure, print, and exit with an error if a cell was refused."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that its servers and workers are stopped too
    sizes = QUICK if options.quick else Sizes()
    entries = [FIELD[name] for name in options.systems]
    with _results(options.results) as write:
        write({"at": time.strftime("%Y-%m-%d %H:%M"), "rounds": options.rounds, **machine.setting(entries, sizes)})
        entries, absent = _made_ready(entries, write)
        cells: Cells = {workload: {} for workload in options.workloads}
        for number in range(1, options.rounds + 1):
            for workload in options.workloads:
                for entry in entries:
                    _measure(number, workload, entry, sizes, cells[workload], write)
    for workload, measured in cells.items():
        print(f"\n{table(workload, measured | absent, options.against)}")
    sys.exit(1 if any(cell.refused for measured in cells.values() for cell in measured.values()) else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--systems", nargs="+", default=list(FIELD), choices=FIELD, metavar="NAME", help=", ".join(FIELD)
    )
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks, a quarter of the time")
    parser.add_argument("--against", default="starlette", metavar="NAME", help="whose figures are the 1 of the ratios")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a file of JSON lines, which is appended to")
    return parser.parse_args()


@contextmanager
def _results(path: Path) -> Iterator[Callable[[dict[str, object]], None]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:

        def write(line: dict[str, object]) -> None:
            text = json.dumps(line, ensure_ascii=False)
            print(text, flush=True)
            print(text, file=file, flush=True)

        yield write


def _made_ready(
    entries: list[Entry], write: Callable[[dict[str, object]], None]
) -> tuple[list[Entry], dict[str, Cell]]:
    """Those that can run here, and of the others why not."""
    ready: list[Entry] = []
    absent: dict[str, Cell] = {}
    for entry in entries:
        try:
            if entry.environment is not None:
                environments.make(entry.environment)
            if entry.store == "redis":
                older_redis.found()
            ready.append(entry)
        except (environments.CannotInstall, older_redis.Missing) as reason:
            absent[entry.name] = Cell(trouble=f"cannot be installed here: {reason}")
            write({"system": entry.name, "cannot_install": str(reason)})
    return ready, absent


def _measure(
    number: int,
    workload: str,
    entry: Entry,
    sizes: Sizes,
    cells: dict[str, Cell],
    write: Callable[[dict[str, object]], None],
) -> None:
    cell = cells.setdefault(entry.name, Cell())
    outcome: dict[str, object] = {}
    try:
        figures: Figures = WORKLOADS[workload](entry, sizes)
        cells[entry.name] = cell.with_round(figures)
        outcome = {"figures": figures}
    except LeftOut as reason:
        cells[entry.name] = Cell(trouble=str(reason))
        outcome = {"left_out": str(reason)}
    except Exception as error:  # whatever it is, hours of other cells go on, and the exit tells
        refusal = str(error) if isinstance(error, Refused) else repr(error)
        cells[entry.name] = cell.with_refused(f"round {number} refused: {refusal}")
        outcome = {"refused": refusal}
    write({"round": number, "workload": workload, "system": entry.name, **outcome})


if __name__ == "__main__":
    main()
