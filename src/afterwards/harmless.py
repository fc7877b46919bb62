"""Text from strangers, made harmless for a terminal, a log and a page. Pure."""

from __future__ import annotations

import unicodedata


def harmless(text: str, *, keep: str = "") -> str:
    """The text with all that could steer a terminal, or mislead who reads it, written out: control and direction marks,
    what cannot be seen, ends of lines; but those in `keep`.
    """
    if text.isprintable():
        return text
    return "".join(character if character in keep else _written_out(character) for character in text)


def harmless_lines(text: str) -> str:
    """The same, but lines stay lines."""
    return harmless(text, keep="\n")


def cut(text: str, longest: int) -> str:
    """The text without what is longer, and how much that is."""
    left = len(text) - longest
    return text if left <= 0 else f"{text[:longest]}\n… and {left:,} characters more"


def _written_out(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
