"""Words for a terminal: lines and tables. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from textwrap import fill

from afterwards.harmless import harmless


def first_line(text: str, longest: int) -> str:
    """The first line that says something, harmless and cut to a length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = harmless(lines[0]) if lines else ""
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def so_many_tasks(number: int) -> str:
    """`1 task`, `4,000 tasks`."""
    return f"{number:,} {'task' if number == 1 else 'tasks'}"


def tasks_that(number: int, one: str, many: str) -> str:
    """`1 task waits`, `4,000 tasks wait`."""
    return f"{so_many_tasks(number)} {one if number == 1 else many}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns set flush left under their headings; a column without content is left out."""
    kept = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    lines = [[line[column] for column in kept] for line in (headings, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(_padded, line, widths)).rstrip() for line in lines)


def fitted(text: str, columns: int, lines: int) -> str:
    """What of it a terminal of this size shows without wrapping or scrolling."""
    return "\n".join(_cut(line, columns) for line in text.split("\n")[: max(lines, 1)])


def _cut(line: str, columns: int) -> str:
    if _width(line) <= columns:
        return line
    while line and _width(line) > columns - 1:
        line = line[:-1]
    return f"{line}…"


def listed(rows: Sequence[tuple[str, str, str]], width: int) -> str:
    """Two columns flush left, and sentences that wrap within the width, under themselves."""
    first, second = (max(_width(row[column]) for row in rows) for column in (0, 1))
    indent = " " * (first + second + 4)
    lines: list[str] = []
    for one, other, sentence in rows:
        start = f"{_padded(one, first)}  {_padded(other, second)}  "
        lines.append(fill(sentence, width, initial_indent=start, subsequent_indent=indent, break_long_words=False))
    return "\n".join(lines)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Chinese characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
