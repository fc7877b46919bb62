"""The ways in which an app's background tasks become durable, and what a test asks of each."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from afterwards import Afterwards


class Means(StrEnum):
    CHANGED = "changed import"
    ADOPTED_FIRST = "adopted before its routes"
    ADOPTED_LAST = "adopted after its routes"


class Way:
    """An app with an Afterwards on a file of its own. Declare routes on `app`, then call it through `client()`."""

    def __init__(self, means: Means, path: Path, **options: Any) -> None:
        self.means = means
        self.path = path
        self.afterwards = Afterwards(url=f"sqlite:///{path}", **options)
        self.app = self.new_app()

    @property
    def is_adopted(self) -> bool:
        return self.means is not Means.CHANGED

    def new_app(self, **options: Any) -> FastAPI:
        """Another app in place of the first."""
        self.app = FastAPI(**options)
        if self.means is Means.CHANGED:
            self.afterwards.install(self.app)
        elif self.means is Means.ADOPTED_FIRST:
            self.afterwards.adopt(self.app)
        return self.app

    def finished_app(self) -> FastAPI:
        """The app when its routes are declared."""
        if self.is_adopted:  # for the one way it is the first time, for the other the second
            self.afterwards.adopt(self.app)
        return self.app

    @contextmanager
    def client(self) -> Iterator[TestClient]:
        """A client of the finished app, whose lifespan lasts for the block. An error of the app is a 500."""
        with TestClient(self.finished_app(), raise_server_exceptions=False) as client:
            yield client

    def stored(self) -> list[str]:
        """The first argument of each task in the file, in the order of storing; read past the library."""
        return stored(self.path)


def stored(path: Path) -> list[str]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT arguments FROM afterwards_tasks ORDER BY sequence").fetchall()
    return [_first_argument(arguments) for (arguments,) in rows]


def _first_argument(arguments: str) -> str:
    return str(next(iter(json.loads(arguments).values())))
