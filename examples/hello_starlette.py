"""Without FastAPI: an endpoint of a Starlette app stores its tasks when a block ends.

Serve it:  uvicorn hello_starlette:app --app-dir examples
Use it:    curl -X POST http://127.0.0.1:8000/hello/Ada
See it:    cat log.txt
In one go: python examples/hello_starlette.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from afterwards import Afterwards

LOG = Path("log.txt")

afterwards = Afterwards()


def write_log(message: str) -> None:
    """A background task; a `def` runs in a thread of the worker, an `async def` in its event loop."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{message}\n")


async def hello(request: Request) -> JSONResponse:
    """When the block has ended the tasks are stored, or the client gets 503; an error inside stores nothing."""
    name = request.path_params["name"]
    async with afterwards.batch(request) as tasks:
        tasks.add_task(write_log, f"hello {name}")
        tasks.add_task(write_log, f"and goodbye {name}")
    return JSONResponse({"greeted": name})


app = Starlette(routes=[Route("/hello/{name}", hello, methods=["POST"])])
afterwards.install(app)


def show() -> None:
    """Send one request, let its tasks run, and print what they wrote."""
    with TestClient(app) as client:
        print(client.post("/hello/Ada").json())
        asyncio.run(afterwards.drain())
    print(LOG.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    show()
