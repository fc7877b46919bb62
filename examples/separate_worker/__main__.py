"""Starts a worker, orders a report, waits until it is written, prints it, and stops the worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from fastapi.testclient import TestClient

from separate_worker.app import app
from separate_worker.tasks import REPORTS, afterwards

WORKER = [sys.executable, "-m", "afterwards", "worker", "separate_worker.tasks:afterwards"]


async def until_done() -> None:
    """Wait for the newest task, wherever it runs."""
    [task] = await afterwards.find(limit=1)
    await afterwards.wait(task.id, timeout=30)


with TestClient(app) as client:
    worker = subprocess.Popen(WORKER)
    try:
        print(client.post("/reports/2026").json())
        asyncio.run(until_done())
    finally:
        worker.terminate()  # SIGTERM: it would let a running task finish first
        worker.wait()
print(REPORTS.read_text(encoding="utf-8"), end="")
