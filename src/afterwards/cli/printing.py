"""Writes a command's answer to standard output."""

from __future__ import annotations

import json

import typer


def print_text(text: str) -> None:
    """For people; the caller has made it harmless."""
    typer.echo(text)


def print_json(value: object) -> None:
    """For programs; pure ASCII, so that nothing in it can steer a terminal."""
    typer.echo(json.dumps(value, indent=2))
