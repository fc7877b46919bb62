"""Transactions in the endpoints of an app: whose session it is, when it commits, and what the client gets."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import aiosqlite
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afterwards import Afterwards, BackgroundTasks, CannotJoinTransaction, CannotName, State
from afterwards.events import Event, TasksAdded
from afterwards.testing import inline, recorded
from tests.transactions.conftest import new_file
from tests.transactions.tasks import greet, ran


class TheApp:
    """An app whose tables and tasks lie in one file."""

    def __init__(self, folder: Path) -> None:
        self.url = new_file(folder / "app.db")
        self.app = FastAPI()
        self.afterwards = Afterwards(self.app, self.url, worker=False, add_timeout=0.3)
        self.engine = create_async_engine(self.url.replace("sqlite", "sqlite+aiosqlite", 1))
        self.sessions = async_sessionmaker(self.engine)

    async def session(self) -> AsyncIterator[AsyncSession]:
        async with self.sessions() as session:
            yield session

    async def committing(self) -> AsyncIterator[AsyncSession]:
        async with self.sessions() as session:
            yield session
            await session.commit()

    def people(self) -> set[str]:
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM people")}

    def stored(self) -> set[str]:
        """The names for which a task is stored."""
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
            rows = connection.execute("SELECT arguments FROM afterwards_tasks")
            return {arguments.split('"')[-2] for (arguments,) in rows}


@pytest.fixture
def an(tmp_path: Path) -> TheApp:
    return TheApp(tmp_path)


@pytest.fixture
def client(an: TheApp) -> Iterator[TestClient]:
    with TestClient(an.app, raise_server_exceptions=False) as client:
        yield client
        client.portal.call(an.engine.dispose)  # type: ignore[union-attr]  # it has one inside the block


async def insert(session: AsyncSession, name: str) -> None:
    await session.execute(text("INSERT INTO people VALUES (:name)"), {"name": name})


def test_what_the_handler_commits_is_stored_before_the_response(an: TheApp, client: TestClient):
    @an.app.post("/{name}")
    async def register(name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]) -> str:
        tasks.using(transaction=session).add_task(greet, name)
        await insert(session, name)
        assert an.stored() == set()
        await session.commit()
        return ",".join(an.stored())

    assert client.post("/Ann").json() == "Ann"


def test_a_request_that_raises_after_the_commit_keeps_what_was_committed_and_no_more(an: TheApp, client: TestClient):
    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]
    ) -> None:
        tasks.add_task(greet, "plain")
        tasks.using(transaction=session).add_task(greet, name)
        await insert(session, name)
        await session.commit()
        tasks.using(transaction=session).add_task(greet, "too late")
        raise HTTPException(409)

    assert client.post("/Ann").status_code == 409
    assert an.stored() == an.people() == {"Ann"}


def test_a_request_that_never_commits_stores_nothing_and_warns_of_nothing(
    an: TheApp, client: TestClient, caplog: pytest.LogCaptureFixture
):
    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]
    ) -> None:
        tasks.using(transaction=session).add_task(greet, name)
        await insert(session, name)

    caplog.set_level(logging.WARNING)
    assert client.post("/Ann").status_code == 200
    assert an.stored() == an.people() == set()
    assert caplog.records == []


class AtTheResponse:
    """Notes what is stored when a response begins."""

    def __init__(self, app: ASGIApp, an: TheApp, seen: list[set[str]]) -> None:
        self.app, self.an, self.seen = app, an, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.seen.append(self.an.stored())
            await send(message)

        await self.app(scope, receive, send_and_note)


@pytest.mark.parametrize(("scope", "stored"), [("request", set[str]()), ("function", {"Ann"})])
def test_a_dependency_that_commits_when_it_exits_stores_then(
    an: TheApp, client: TestClient, scope: Literal["request", "function"], stored: set[str]
):
    seen: list[set[str]] = []

    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.committing, scope=scope)]
    ) -> str:
        tasks.using(transaction=session).add_task(greet, name)
        await insert(session, name)
        return name

    noting = TestClient(AtTheResponse(an.app, an, seen))
    assert noting.post("/Ann").json() == "Ann"
    assert seen == [stored]
    assert an.stored() == an.people() == {"Ann"}


def test_a_handler_that_waits_for_itself_gets_503_and_the_log_says_why(
    an: TheApp, client: TestClient, caplog: pytest.LogCaptureFixture
):
    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.committing)]
    ) -> None:
        await insert(session, name)  # from now on the session holds the write lock of the file
        tasks.add_task(greet, name)

    response = client.post("/Ann")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "waits for itself" in caplog.text
    assert "using(transaction=session)" in caplog.text
    assert an.stored() == an.people() == set()


def test_a_transaction_that_stays_open_makes_others_wait_no_longer_than_add_timeout(an: TheApp, client: TestClient):
    @an.app.post("/{name}")
    async def plain(name: str, tasks: BackgroundTasks) -> None:
        tasks.add_task(greet, name)

    with closing(sqlite3.connect(an.url.removeprefix("sqlite:///"))) as hog:
        hog.execute("INSERT INTO people VALUES ('hog')")
        assert client.post("/Ann").status_code == 503
        hog.rollback()
    assert client.post("/Bob").status_code == 200
    assert an.stored() == {"Bob"}


def test_a_raw_connection_that_is_awaited_is_told_so_in_the_handler(an: TheApp, client: TestClient):
    @an.app.post("/{name}")
    async def register(name: str, tasks: BackgroundTasks) -> str:
        async with aiosqlite.connect(an.url.removeprefix("sqlite:///")) as connection:
            with pytest.raises(CannotJoinTransaction, match=r"await afterwards\.using\(transaction=connection\)"):
                tasks.using(transaction=connection).add_task(greet, name)
            await an.afterwards.using(transaction=connection).add(greet, name)
            await connection.commit()
        return name

    assert client.post("/Ann").json() == "Ann"
    assert an.stored() == {"Ann"}


def test_a_def_endpoint_uses_its_session_and_its_plain_connection(an: TheApp, client: TestClient):
    engine = create_engine(an.url)

    @an.app.post("/{name}")
    def register(name: str, tasks: BackgroundTasks) -> None:
        with Session(engine) as session, session.begin():
            tasks.using(transaction=session).add_task(greet, f"{name} of the session")
        with closing(sqlite3.connect(an.url.removeprefix("sqlite:///"))) as connection:
            tasks.using(transaction=connection).add_task(greet, f"{name} of the connection")
            connection.commit()

    assert client.post("/Ann").status_code == 200
    assert an.stored() == {"Ann of the session", "Ann of the connection"}
    engine.dispose()


def test_it_stands_outside_the_order_of_the_request_and_is_not_handed_off(an: TheApp, client: TestClient):
    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]
    ) -> None:
        tasks.add_task(greet, "first")
        tasks.using(transaction=session).add_task(greet, name)
        await session.commit()
        tasks.add_task(greet, "second")

    assert client.post("/Ann").status_code == 200
    assert client.portal is not None
    second, first, ann = client.portal.call(an.afterwards.find)
    assert (ann.after, ann.held, ann.state, ann.run) == (None, None, State.WAITING, 0)
    assert second.after == first.id


def test_what_has_no_name_can_not_be_stored_by_a_transaction(an: TheApp, client: TestClient):
    an.afterwards.adopt(an.app)

    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]
    ) -> None:
        with pytest.raises(CannotName):
            tasks.using(transaction=session).add_task(lambda: greet(name))

    assert client.post("/Ann").status_code == 200


def test_without_a_lifespan_the_store_opens_by_itself(an: TheApp):
    engine = create_engine(an.url)

    @an.app.post("/{name}")
    async def register(name: str, tasks: BackgroundTasks) -> None:
        with Session(engine) as session, session.begin():
            tasks.using(transaction=session).add_task(greet, name)

    assert TestClient(an.app).post("/Ann").status_code == 200
    assert an.stored() == {"Ann"}
    engine.dispose()


def test_the_commit_is_told_once_and_only_the_outer_one(an: TheApp, client: TestClient):
    told: list[Event] = []
    an.afterwards.hear(told.append, TasksAdded)

    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.session)]
    ) -> None:
        await insert(session, name)
        async with session.begin_nested():
            tasks.using(transaction=session).add_task(greet, name)
        tasks.using(transaction=session).add_task(greet, name)
        assert told == []
        await session.commit()

    assert client.post("/Ann").status_code == 200
    [event] = told
    assert isinstance(event, TasksAdded)
    assert len(event.ids) == 2


@pytest.mark.parametrize("ends_well", [True, False])
def test_in_tests_only_what_was_committed_is_recorded_or_run(an: TheApp, client: TestClient, ends_well: bool):
    @an.app.post("/{name}")
    async def register(
        name: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(an.committing)]
    ) -> None:
        tasks.using(transaction=session).add_task(greet, name)
        if not ends_well:
            await session.rollback()

    with recorded(an.afterwards) as tasks:
        client.post("/Ann")
    assert tasks.added(greet, "Ann") is ends_well
    assert ran == []
    with inline(an.afterwards):
        client.post("/Bob")
    assert ran == (["Bob"] if ends_well else [])
