"""The command line. It needs the extra `[cli]`, and says so when that is missing."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec


def main() -> None:
    """Run one command; ends the process with 0, with 1 when something is wrong, with 2 when it was called wrongly."""
    _make_printable()
    if find_spec("typer") is None:
        sys.exit("afterwards: the command line needs typer: pip install 'afterwards[cli]'")
    from afterwards.cli.commands import run

    sys.exit(run())


def _make_printable() -> None:
    """What the terminal's encoding does not know is written as an escape, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
