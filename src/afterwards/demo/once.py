"""`afterwards demo --once`: one registration, then a kill with twenty of them, with nobody watching."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import statistics
import time
from collections.abc import Collection, Sequence
from urllib.parse import urlencode, urlsplit

from sqlalchemy import URL, create_engine, select
from sqlalchemy.orm import Session

from afterwards import Afterwards, State
from afterwards.demo.app_process import AppDied, AppProcess
from afterwards.demo.mail_server import MailServer
from afterwards.demo.mails import Inbox
from afterwards.demo.people import User
from afterwards.demo.place import Place

CROWD = 20
PATIENCE = 30.0  # seconds for mails to arrive; they take about three
HTTP_TIMEOUT = 15.0


async def once(place: Place, port: int) -> int:
    """Run the demo through; 0 when every mail has arrived, else 1."""
    async with MailServer(Inbox(place)).listening() as mail_server:
        app = AppProcess(place, port, mail_server.address)
        try:
            return await Rehearsal(place, app, mail_server).run()
        except (AppDied, NotAnswered) as error:
            print(error)
            return 1
        finally:
            await app.stop()


class NotAnswered(Exception):
    """The app did not accept a registration."""


class Rehearsal:
    """The steps, each told with the time since the start."""

    def __init__(self, place: Place, app: AppProcess, mail_server: MailServer) -> None:
        self._place = place
        self._app = app
        self._mail_server = mail_server
        self._inbox = mail_server.inbox
        self._mark = secrets.token_hex(3)  # a kept directory has the people of earlier runs
        self._began = time.monotonic()

    async def run(self) -> int:
        """All of it, in order; the exit code."""
        ada = f"ada.{self._mark}@example.com"
        crowd = [f"person{number}.{self._mark}@example.com" for number in range(1, CROWD + 1)]
        self._inbox.refuse(refuses=False)
        self._say(f"a mail server listens on {self._mail_server.address}")
        await self._start()
        await self._one_registers(ada)
        await self._crowd_registers_in_vain(crowd)
        running = await self._kill()
        await self._start()
        await self._crowd_gets_its_mails(crowd)
        return self._tell([ada, *crowd], running)

    async def _start(self) -> None:
        await self._app.start()
        self._say(f"the app answers on {self._app.address}, process {self._app.pid}")

    async def _one_registers(self, email: str) -> None:
        posted = time.monotonic()
        took = await self._register("Ada Lovelace", email)
        self._say(f"Ada Lovelace registers, and is answered after {_milliseconds(took)}")
        if await self._arrived([email]):
            self._say(f"her mail has arrived over SMTP, {_milliseconds(time.monotonic() - posted)} after the POST")

    async def _crowd_registers_in_vain(self, crowd: Sequence[str]) -> None:
        self._inbox.refuse(refuses=True)
        self._say("the mail server refuses every mail from now on (SMTP 451)")
        took = await asyncio.gather(*(self._register(email.split(".")[0].title(), email) for email in crowd))
        self._say(
            f"{len(crowd)} people register, each answered after {_milliseconds(statistics.median(took))} (median)"
        )

    async def _kill(self) -> Collection[str]:
        """Who had a task that was running at that moment: these may get a second mail."""
        killed = self._app.pid
        await self._app.kill()
        self._say(f"kill -9 {killed}: the app is gone; {self._mail_server.refused} mails were refused until then")
        async with Afterwards(url=self._place.tasks_url, worker=False).opened() as afterwards:
            census = await afterwards.census()
            running = await afterwards.find(state=State.RUNNING, limit=CROWD)
        waiting = census.by_state.get(State.WAITING, 0)
        self._say(f"on disk: {waiting} tasks that wait, {len(running)} that were running")
        self._inbox.refuse(refuses=False)
        self._say("the mail server accepts again")
        users = select(User.email).where(User.task_id.in_([task.id for task in running]))
        with Session(create_engine(URL.create("sqlite", database=str(self._place.people)))) as session:
            return set(session.scalars(users))

    async def _crowd_gets_its_mails(self, crowd: Sequence[str]) -> None:
        await self._arrived(crowd)
        self._say(f"{len(self._inbox.copies(crowd))} of {len(crowd)} mails have arrived")

    def _tell(self, everybody: Sequence[str], running: Collection[str]) -> int:
        copies = self._inbox.copies(everybody)
        missing = [email for email in everybody if email not in copies]
        again = [email for email, count in copies.items() if count > 1]
        twice = [email for email in again if email not in running]
        lines = [f"{len(everybody)} registered, {len(copies)} have their mail, {len(again)} have it twice."]
        if missing:
            lines.append(f"Missing: {', '.join(missing)}. The app's log: {self._place.log}")
        if len(again) > len(twice):
            lines.append("Those whose task was running at the kill may have it twice: it ran again.")
        if twice:
            lines.append(f"Twice, though not running at the kill: {', '.join(twice)}")
        print("\n" + "\n".join(lines), flush=True)
        return 1 if missing or twice else 0

    async def _register(self, name: str, email: str) -> float:
        """How many seconds the answer took."""
        return await asyncio.to_thread(_post, self._app.address, {"name": name, "email": email})

    async def _arrived(self, recipients: Sequence[str]) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._mail_server.delivered(recipients)
        except TimeoutError:
            self._say(f"not all mails have come within {PATIENCE:.0f} s")
            return False
        return True

    def _say(self, step: str) -> None:
        print(f"{time.monotonic() - self._began:6.2f} s  {step}", flush=True)


def _post(address: str, fields: dict[str, str]) -> float:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=HTTP_TIMEOUT)
    began = time.monotonic()
    try:
        connection.request(
            "POST", "/register", urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        answer = connection.getresponse()
        if answer.status != 303:
            raise NotAnswered(f"POST /register was answered with {answer.status} {answer.reason}")
        return time.monotonic() - began
    except OSError as error:
        raise NotAnswered(f"POST /register was not answered: {error}") from error
    finally:
        connection.close()


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
