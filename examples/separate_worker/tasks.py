"""The tasks, and the store they are kept in. The worker imports this module, and not the web app."""

from __future__ import annotations

import os
from pathlib import Path

from afterwards import Afterwards

REPORTS = Path("reports.txt")

afterwards = Afterwards(worker=False)  # the app runs no worker; `afterwards worker` does all the same


@afterwards.task(queue="reports")
def write_report(year: int) -> None:
    """A task whose options stand on the function: it waits in a queue of its own."""
    with REPORTS.open("a", encoding="utf-8") as reports:
        reports.write(f"report of {year}, written by process {os.getpid()}\n")
