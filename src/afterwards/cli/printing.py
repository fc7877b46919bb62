"""Writes a command's answer to standard output."""

from __future__ import annotations

import errno
import json
import os
import sys

import typer

from afterwards.cli.trouble import Trouble


def print_text(text: str) -> None:
    """For people; the caller has made it harmless."""
    _write(text)


def print_json(value: object) -> None:
    """For programs; pure ASCII, so that nothing in it can steer a terminal."""
    _write(json.dumps(value, indent=2))


def _write(text: str) -> None:
    """Raises Trouble when it cannot be written, as on a full disk. A reader that has gone, as `head` does, is none."""
    try:
        typer.echo(text)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        _write_no_more()
        raise Trouble(f"the answer cannot be written: {error.strerror}") from error


def _write_no_more() -> None:
    """What is left in the buffer would fail once more when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
