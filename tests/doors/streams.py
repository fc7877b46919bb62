"""Reads server-sent events from a real server, as a browser does."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.doors.diary import PATIENCE


@dataclass
class Received:
    """One event, or a comment; `data` is what its JSON says."""

    name: str
    id: str
    data: Any
    comment: str


class Stream:
    """What one answer sends, piece by piece."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer

    def __iter__(self) -> Iterator[Received]:
        return self

    def __next__(self) -> Received:
        """The next event or comment; the end of the answer is the end."""
        fields: dict[str, str] = {}
        while line := self._answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        if not fields:
            raise StopIteration
        if "retry" in fields:
            return next(self)
        data = json.loads(fields["data"]) if fields.get("data", "").startswith(("{", "[")) else fields.get("data")
        return Received(fields.get("event", ""), fields.get("id", ""), data, fields.get("", ""))


@contextmanager
def stream(address: tuple[str, int], path: str, **headers: str) -> Iterator[Stream]:
    """The answer to a GET while it comes; at the block's end the client goes."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=sent)
        yield Stream(connection.getresponse())
    finally:
        connection.close()
