"""What the command line looks at in its tests: some functions, and an `Afterwards` that knows them."""

from __future__ import annotations

from afterwards import Afterwards, Retry

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egpj.exe"


async def greet(name: str) -> str:
    return f"hello {name}"


def fail(reason: str) -> None:
    raise RuntimeError(reason)


def knowing(url: str) -> Afterwards:
    """An `Afterwards` on this store that knows the functions."""
    afterwards = Afterwards(url=url)
    afterwards.task(name="greet")(greet)
    afterwards.task(name="fail", queue="mail", retry=Retry.never)(fail)
    return afterwards
