"""What the tests of transactions add, and what has run."""

from __future__ import annotations

ran: list[str] = []


def greet(name: str) -> None:
    ran.append(name)
