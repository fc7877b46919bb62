"""The tasks, and the store they are kept in (AFTERWARDS_URL). The workers import this module and not the web app."""

import asyncio

from afterwards import Afterwards

# Seconds that running tasks get at a stop. Whatever stops the containers has to wait longer.
afterwards = Afterwards(grace=20)


@afterwards.task(queue="mail")
async def send_welcome(email: str) -> None:
    """Stands for whatever takes a while."""
    await asyncio.sleep(1)
    print(f"welcome, {email}", flush=True)
