"""The web app: it stores tasks and runs none."""

from __future__ import annotations

import os

from fastapi import FastAPI

from afterwards import BackgroundTasks
from separate_worker.tasks import afterwards, write_report

app = FastAPI()
afterwards.install(app)


@app.post("/reports/{year}")
async def order_report(year: int, background_tasks: BackgroundTasks) -> dict[str, int]:
    """Answers at once; some worker writes the report."""
    background_tasks.add_task(write_report, year)
    return {"ordered_by_process": os.getpid()}
