"""The status of tasks for the user's own front end: JSON, a stream of events, and a small script that reads it."""

from __future__ import annotations

from starlette.routing import Router

from afterwards.house import House
from afterwards.redaction import Redaction
from afterwards.status.accepted import accepted
from afterwards.status.desk import StatusDesk
from afterwards.status.routes import router
from afterwards.visitors import Auth

__all__ = ["accepted", "status_router"]


def status_router(house: House, auth: Auth | None, redaction: Redaction) -> Router:
    """The routes of one house; DELETE is among them only if `auth` can say who may."""
    return router(StatusDesk(house, auth, redaction), may_cancel=auth is not None)
