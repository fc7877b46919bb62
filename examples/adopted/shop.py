"""The app as it was: FastAPI's own BackgroundTasks, and nothing else."""

from __future__ import annotations

from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

ORDERS = Path("orders.txt")

app = FastAPI()


def confirm(order: int) -> None:
    """Writes the confirmation of an order."""
    with ORDERS.open("a", encoding="utf-8") as orders:
        orders.write(f"order {order} is confirmed\n")


@app.post("/orders/{order}")
async def accept(order: int, background_tasks: BackgroundTasks) -> dict[str, int]:
    """Answers at once; the confirmation is written later."""
    background_tasks.add_task(confirm, order)
    return {"accepted": order}
