"""A task that needs what FastAPI's `Depends` gives: a mailer, which needs settings, and is closed after the task.

The endpoint adds the task with the one argument that is its own. The worker solves the rest where the task runs, by
FastAPI's rules, and with the app's `dependency_overrides`. What the task adds in turn is stored by the write that
settles it.

Serve it:  uvicorn welcome_mail:app --app-dir examples
Use it:    curl -X POST http://127.0.0.1:8000/register/ada@example.com
See it:    cat outbox.txt
In one go: python examples/welcome_mail.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from afterwards import SOLVED, Afterwards, BackgroundTasks

OUTBOX = Path("outbox.txt")

app = FastAPI()
afterwards = Afterwards(app)


@dataclass(frozen=True)
class Settings:
    """What a real app would read from its environment."""

    sender: str = "hello@example.com"


@dataclass(frozen=True)
class Mailer:
    """Writes mails into a file, where a real one would talk to a server."""

    settings: Settings
    outbox: TextIO

    def send(self, to: str, text: str) -> None:
        """Send one mail."""
        self.outbox.write(f"from {self.settings.sender} to {to}: {text}\n")


def get_settings() -> Settings:
    """A dependency of the mailer."""
    return Settings()


def get_mailer(settings: Annotated[Settings, Depends(get_settings)]) -> Iterator[Mailer]:
    """Open before the task, closed after it, also when the task fails."""
    with OUTBOX.open("a", encoding="utf-8") as outbox:
        yield Mailer(settings, outbox)


MailerDependency = Annotated[Mailer, Depends(get_mailer)]


@afterwards.task(queue="mail")
def send_welcome(email: str, mailer: MailerDependency = SOLVED, background_tasks: BackgroundTasks = SOLVED) -> None:
    """A background task: `email` is stored, the other two are solved by the worker."""
    mailer.send(email, "welcome!")
    background_tasks.using(delay=0.5).add_task(send_tip, email)


def send_tip(email: str, mailer: MailerDependency = SOLVED) -> None:
    """What the first task adds: stored together with its end, so that it is never lost and never sent alone."""
    mailer.send(email, "did you know?")


@app.post("/register/{email}")
async def register(email: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    """Answers at once; the mails are sent afterwards."""
    background_tasks.add_task(send_welcome, email)
    return {"registered": email}


async def both_are_sent() -> None:
    """Wait until the second task, which the first one adds, is done too."""
    while len(ended := await afterwards.find(state="done")) < 2:
        await asyncio.sleep(0.05)
    assert {task.queue for task in ended} == {"mail", "default"}


def show() -> None:
    """Register somebody, wait for both mails, and print them."""
    with TestClient(app) as client:
        print(client.post("/register/ada@example.com").json())
        asyncio.run(both_are_sent())
    print(OUTBOX.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    show()
