"""Keeps connections from crossing a fork: they are closed before it, and opened anew on both sides.

A connection that a child inherits is dangerous even unused: SQLite keeps one table of locks per process and file, and
the child would believe to hold those of its parent (https://sqlite.org/howtocorrupt.html, section 2.6); on a socket
to a server both would talk at once.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something with connections and threads."""

    def before_fork(self) -> None:
        """Let go of them and stand still."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Start afresh, with what is left of the parent out of reach."""


_known: WeakSet[Forkable] = WeakSet()


def watch(forkable: Forkable) -> None:
    """Tell it of every fork of this process."""
    _known.add(forkable)


def _before() -> None:
    for forkable in list(_known):
        forkable.before_fork()


def _in_parent() -> None:
    for forkable in list(_known):
        forkable.after_fork_in_parent()


def _in_child() -> None:
    for forkable in list(_known):
        forkable.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
