"""Ours, in the app of FastAPI's own background tasks, with no import changed."""

from __future__ import annotations

from fastapi import FastAPI

from afterwards import Afterwards
from systems import ours, with_starlette
from systems.contract import URL, System


def app() -> FastAPI:
    """The same app, adopted."""
    app = with_starlette.app()
    Afterwards(url=URL or None).adopt(app)
    return app


SYSTEM = System(app=app, prepare=ours.SYSTEM.prepare)
