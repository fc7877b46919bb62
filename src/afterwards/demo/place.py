"""Where the demo keeps its files, and where its mail server listens: told to the app by two environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "AFTERWARDS_DEMO_DIRECTORY"
MAIL_SERVER = "AFTERWARDS_DEMO_MAIL_SERVER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder of one demo. The people, the tasks and the mails that arrived have a SQLite file each."""

    directory: Path

    @property
    def people(self) -> Path:
        """Who has registered: the app's own data."""
        return self.directory / "people.db"

    @property
    def mails(self) -> Path:
        """What the mail server has accepted."""
        return self.directory / "mails.db"

    @property
    def tasks_url(self) -> str:
        """The store of the tasks, as Afterwards takes it."""
        return f"sqlite:///{(self.directory / 'tasks.db').as_posix()}"

    @property
    def refusal(self) -> Path:
        """While this file exists the mail server refuses."""
        return self.directory / "mail-server-refuses"

    @property
    def log(self) -> Path:
        """What the app has to say."""
        return self.directory / "app.log"


def this_place() -> Place:
    """The place that the environment names."""
    return Place(directory=Path(os.environ.get(DIRECTORY, "afterwards-demo")).absolute())


def mail_server_address() -> tuple[str, int]:
    """Host and port of the mail server that the environment names."""
    host, _, port = os.environ.get(MAIL_SERVER, "127.0.0.1:8025").rpartition(":")
    return host, int(port)
