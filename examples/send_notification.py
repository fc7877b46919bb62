"""One request, two tasks, one file: a dependency and an endpoint each write a line to `log.txt`, after the response.

Both tasks are on disk before the response leaves, and they run in the order in which they were added.

Serve it:  uvicorn send_notification:app --app-dir examples
Use it:    curl -X POST "http://127.0.0.1:8000/send-notification/ada@example.com?q=hello"
See it:    cat log.txt
In one go: python examples/send_notification.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards, BackgroundTasks

LOG = Path("log.txt")

app = FastAPI()
afterwards = Afterwards(app)


def write_log(message: str) -> None:
    """A background task: plain code that knows nothing of stores and workers."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{message}\n")


def found_query(background_tasks: BackgroundTasks, q: str | None = None) -> str | None:
    """A dependency that adds a task of its own."""
    if q is not None:
        background_tasks.add_task(write_log, f"found query: {q}")
    return q


@app.post("/send-notification/{email}")
async def send_notification(
    email: str, background_tasks: BackgroundTasks, q: Annotated[str | None, Depends(found_query)]
) -> dict[str, str]:
    """Answers at once; the lines are written afterwards."""
    task = background_tasks.add_task(write_log, f"message to {email}")
    return {"message": "Message sent", "task_id": str(task.id)}


def show() -> None:
    """Send one request, let its tasks run, and print what they wrote."""
    with TestClient(app) as client:
        print(client.post("/send-notification/ada@example.com", params={"q": "hello"}).json())
        asyncio.run(afterwards.drain())
    print(LOG.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    show()
