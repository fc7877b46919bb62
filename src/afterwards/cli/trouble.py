"""What ends a command before it has done its work; `run` writes the message and chooses the exit code."""

from __future__ import annotations


class Trouble(Exception):
    """Something is wrong; exit code 1."""


class UsedWrongly(Exception):
    """The command was called wrongly; exit code 2."""
