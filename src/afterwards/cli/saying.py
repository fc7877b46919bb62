"""What most commands take: where the store is, and in which form to answer."""

from __future__ import annotations

from typing import Annotated

import typer

App = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:NAME", help="Where the Afterwards object is, as main:afterwards.")
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The store. By default the variable AFTERWARDS_URL, else sqlite:///afterwards.db."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
