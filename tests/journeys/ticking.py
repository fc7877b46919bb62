"""An app whose one task ticks by itself, each second."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

from afterwards import Afterwards

MARKS = Path(os.environ["JOURNEY_MARKS"])

app = FastAPI()
afterwards = Afterwards(app)


@afterwards.every(seconds=1)
def tick() -> None:
    """Says in which process it ran."""
    with MARKS.open("a") as marks:
        marks.write(f"tick {os.getpid()}\n")


@app.get("/")
async def root() -> None:
    """For who waits until the server answers."""
