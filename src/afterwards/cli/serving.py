"""The command `dashboard`: serves it by itself, to this machine alone, and runs no task."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from afterwards.app import Afterwards
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_text
from afterwards.cli.trouble import Trouble
from afterwards.redaction import Redaction

HOST = "127.0.0.1"


def serve_dashboard(afterwards: Afterwards, port: int | None) -> None:
    """Serve until told to stop. Raises Trouble where there is no store, or something is not installed."""
    try:
        import uvicorn
    except ImportError as error:
        raise Trouble("the dashboard is served by uvicorn: pip install 'afterwards[dashboard]' uvicorn") from error
    if not exists(afterwards):
        raise Trouble(f"there is no store in {where(afterwards)}: it comes into being with the first task")
    app = _app(afterwards)
    with _listener(port) as listener:
        print_text(f"The dashboard of {where(afterwards)}: http://{HOST}:{listener.getsockname()[1]}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, proxy_headers=False)
        uvicorn.Server(config).run([listener])


def _app(afterwards: Afterwards) -> Starlette:
    from afterwards.dashboard import dashboard

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        yield
        await afterwards.house.store.close()

    try:
        pages = dashboard(afterwards.house, None, Redaction(), is_local=True)
    except ImportError as error:
        raise Trouble(str(error)) from error
    return Starlette(routes=[Mount("/", app=pages)], lifespan=lifespan)


def _listener(port: int | None) -> socket.socket:
    try:
        return socket.create_server((HOST, port or 0))
    except OSError as error:
        raise Trouble(f"nobody can listen on {HOST}:{port}: {error.strerror}. Take another --port.") from error
