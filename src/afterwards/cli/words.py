"""Words for a terminal: tables, and text from strangers made harmless. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from textwrap import fill


def harmless(text: str) -> str:
    """The text with everything that could steer a terminal written out: escapes, control and direction marks."""
    return "".join(character if _is_plain(character) else _written_out(character) for character in text)


def harmless_lines(text: str) -> str:
    """The same, but lines stay lines."""
    return "\n".join(harmless(line) for line in text.split("\n"))


def first_line(text: str, longest: int) -> str:
    """The first line that says something, harmless and cut to a length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = harmless(lines[0]) if lines else ""
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns set flush left under their headings; a column without content is left out."""
    kept = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    lines = [[line[column] for column in kept] for line in (headings, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(_padded, line, widths)).rstrip() for line in lines)


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


def _is_plain(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _written_out(character: str) -> str:
    code = ord(character)
    if character in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
