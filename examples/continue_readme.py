"""A request that goes on writing a `README.md` after its answer, from the endpoint or from a dependency.

It writes to the README.md of the folder in which it is started, so start it in an empty one.

Serve it:  uvicorn continue_readme:app --app-dir examples
Use it:    curl -X POST "http://127.0.0.1:8000/background_tasks?framework=FastAPI"
           curl -X POST "http://127.0.0.1:8000/dependency/background_tasks?q=Starlette"
See it:    cat README.md
In one go: python examples/continue_readme.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from afterwards import Afterwards, BackgroundTasks

README = Path("README.md")

app = FastAPI()
afterwards = Afterwards(app)


def continue_readme(framework: str) -> None:
    """A background task: appends the heading of the next chapter."""
    with README.open("a", encoding="utf-8") as readme:
        readme.write(f"\n## {framework} 框架精讲")


@app.post("/background_tasks")
async def from_the_endpoint(framework: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    """The endpoint adds the task."""
    background_tasks.add_task(continue_readme, framework)
    return {"message": "任务已在后台运行"}


def continued(background_tasks: BackgroundTasks, q: str | None = None) -> str | None:
    """A dependency that adds the task, if there is something to add."""
    if q:
        background_tasks.add_task(continue_readme, q)
    return q


@app.post("/dependency/background_tasks")
async def from_a_dependency(q: Annotated[str | None, Depends(continued)]) -> dict[str, str] | None:
    """The dependency adds the task; without `q` there is none, and the answer is null."""
    return {"message": "README.md更新成功"} if q else None


def show() -> None:
    """Send three requests, let their tasks run, and print the README."""
    with TestClient(app) as client:
        print(client.post("/background_tasks", params={"framework": "FastAPI"}).json())
        print(client.post("/dependency/background_tasks", params={"q": "Starlette"}).json())
        print(client.post("/dependency/background_tasks").json())
        asyncio.run(afterwards.drain())
    print(README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    show()
