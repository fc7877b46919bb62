"""One transaction, or one read: runs named statements at one moment of the store's clock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import cast

from afterwards.stores.sqlite.statements import MOST_ROWS, STATEMENTS, side_by_side, spread_out

Value = str | int | None
Questions = dict[str, dict[str, Value]]  # the values of statements that bring one JSON list each, by their names


class Transaction:
    """What the verbs write through. `now` is the store's clock; `rings` says that somebody may have work to claim."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self.now = now
        self.rings = False
        self._foreseen: dict[str, str] = {}

    def execute(self, statement: str, **values: Value) -> int:
        """Run a statement; how many rows it changed."""
        return self._run(statement, values).rowcount

    def spread(self, statement: str, rows: Sequence[Sequence[Value]]) -> range:
        """Run a statement that has a row of values for each of `rows`.

        For an INSERT it tells the sequences of its rows, which follow each other since nobody else can write meanwhile.
        """
        changed, last = 0, 0
        for start in range(0, len(rows), MOST_ROWS):
            some = rows[start : start + MOST_ROWS]
            cursor = self._connection.execute(spread_out(statement, len(some)), [*chain.from_iterable(some)])
            changed += cursor.rowcount
            last = cursor.lastrowid or 0
        return range(last - changed + 1, last + 1)

    def foresee(self, questions: Questions) -> None:
        """Ask several statements at once, since each costs the thread its turn; `ask` then has their answers."""
        if questions:
            values = {name: value for given in questions.values() for name, value in given.items()}
            answers = self._connection.execute(side_by_side(*questions), {"now": self.now, **values}).fetchone()
            self._foreseen = dict(zip(questions, answers, strict=True))

    def ask(self, statement: str, values: Callable[[], dict[str, Value]]) -> list[list[object]]:
        """The one JSON list that a statement brings: as it was foreseen, once, or else now with these values."""
        text = self._foreseen.pop(statement, None)
        if text is None:
            return self.rows(statement, **values())
        return cast("list[list[object]]", json.loads(text))

    def number(self, statement: str, **values: Value) -> int | None:
        """The one number that a statement brings."""
        return cast("int | None", self._run(statement, values).fetchone()[0])

    def rows(self, statement: str, **values: Value) -> list[list[object]]:
        """The one JSON list that a statement brings."""
        text = cast("str", self._run(statement, values).fetchone()[0])
        return cast("list[list[object]]", json.loads(text))

    def rows_or_nothing(self, statement: str, **values: Value) -> list[list[object]] | None:
        """The same of one that may also bring null."""
        text = cast("str", self._run(statement, values).fetchone()[0])
        return cast("list[list[object]] | None", json.loads(text))

    def strings(self, statement: str, **values: Value) -> list[str]:
        """The same, where it is a list of texts."""
        return cast("list[str]", self.rows(statement, **values))

    def numbers(self, statement: str, **values: Value) -> list[int]:
        """The same, where it is a list of numbers."""
        return cast("list[int]", self.rows(statement, **values))

    @contextmanager
    def part(self) -> Generator[None]:
        """What is written inside is undone if the block raises, and only that; what is read is of one moment."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            raise
        finally:
            self._connection.execute("RELEASE part")

    def _run(self, statement: str, values: dict[str, Value]) -> sqlite3.Cursor:
        return self._connection.execute(STATEMENTS[statement], {"now": self.now, **values})


def as_list(values: Collection[object] | Sequence[object]) -> str:
    """A list parameter: its JSON text."""
    return json.dumps(values if isinstance(values, list) else list(values), ensure_ascii=False, separators=(",", ":"))
