"""Whether the server of this process has been told to stop, so that responses without an end can end."""

from __future__ import annotations

import signal


def server_is_leaving() -> bool:
    """True once uvicorn has been told to stop; it then waits for every response, however long that takes.

    It says so nowhere but in the object whose method receives the signal. Other servers cut such responses short by
    themselves: then this is always False.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
