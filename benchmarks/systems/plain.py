"""No task at all: what an endpoint does that only answers, the ceiling."""

from __future__ import annotations

from fastapi import FastAPI

from systems.contract import System


def app() -> FastAPI:
    """One endpoint."""
    app = FastAPI()

    @app.post("/")
    async def endpoint() -> dict[str, bool]:
        return {"ok": True}

    return app


SYSTEM = System(app=app)
