"""A page that orders work and shows how it goes on: `progress`, `accepted`, the status router, and its script.

Serve it:  python examples/progress_bar.py, and open http://127.0.0.1:8000
In one go: CI=1 python examples/progress_bar.py, which orders one report and follows its events
"""

from __future__ import annotations

import asyncio
import json
import os

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.testclient import TestClient

from afterwards import Afterwards, BackgroundTasks, current_task

app = FastAPI()
afterwards = Afterwards(app)
app.include_router(afterwards.status_router(), prefix="/tasks")

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Report</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 4rem auto; padding: 0 1rem }
  progress { width: 100% }
</style>
<h1>Report</h1>
<button id="order">Make it</button>
<p id="line" role="status">Nothing ordered yet.</p>
<progress id="bar" value="0" max="1"></progress>
<script type="module">
  import { watch } from "/tasks/afterwards.js";

  order.onclick = async () => {
    order.disabled = true;
    const answer = await fetch("/reports", { method: "POST" });
    watch((await answer.json()).task_id, show);
  };

  function show({ state, attempt, progress }) {
    if (progress?.of) bar.max = progress.of;
    if (state === "done") bar.value = bar.max;
    else if (progress?.of) bar.value = progress.done;
    else if (state === "running") bar.removeAttribute("value");     // it runs, and has not yet said how far it is
    line.textContent = progress?.say || `${state}, attempt ${attempt}`;
    order.disabled = state === "waiting" || state === "running";
  }
</script>
"""


async def make_report(chapters: int) -> None:
    """Some work that takes a while, and says how far it is."""
    for chapter in range(1, chapters + 1):
        current_task().progress(chapter - 1, of=chapters, say=f"writing chapter {chapter} of {chapters}")
        await asyncio.sleep(0.6)
    current_task().progress(chapters, of=chapters, say=f"{chapters} chapters written")


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    """The page with the bar."""
    return PAGE


@app.post("/reports", status_code=202)
async def order_report(background_tasks: BackgroundTasks) -> Response:
    """Answered at once; the report follows."""
    task = background_tasks.add_task(make_report, 3 if "CI" in os.environ else 20)
    return afterwards.accepted(task)


def follow_one() -> None:
    """What the browser does, without one."""
    with TestClient(app) as client:
        answer = client.post("/reports")
        events = client.get(f"{answer.headers['Location']}/events")
        seen = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
        for task in seen:
            print(task["state"], (task["progress"] or {}).get("say", ""))
        assert seen[-1]["state"] == "done"
        assert any(task["state"] == "running" and task["progress"] for task in seen), "the bar moves while it runs"
        assert seen[-1]["progress"] == {"done": 3, "of": 3, "say": "3 chapters written"}


if __name__ == "__main__":
    if "CI" in os.environ:
        follow_one()
    else:
        import uvicorn

        uvicorn.run(app)
