"""The dashboard: pages on which people look at tasks and steer them. It needs the extra `[dashboard]`."""

from __future__ import annotations

from starlette.applications import Starlette

from afterwards.dashboard.gate import Gate
from afterwards.dashboard.pages import routes
from afterwards.house import House
from afterwards.redaction import Redaction
from afterwards.visitors import Auth

__all__ = ["dashboard"]


def dashboard(house: House, auth: Auth | None, redaction: Redaction, *, is_local: bool = False) -> Starlette:
    """An app to mount under any prefix. `is_local` says that this process serves nothing else, on loopback only.

    Raises ImportError, in words, without Jinja2.
    """
    from afterwards.dashboard.desk import Desk

    desk = Desk(house, redaction)
    app = Starlette(routes=routes(desk), exception_handlers=desk.exception_handlers())
    app.add_middleware(Gate, house=house, auth=auth, refuse=desk.refuse, is_local=is_local)
    return app
