"""Whenever in the life of a transaction a task is added, it is stored if that commits, and never otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, UOWTransaction, mapped_column
from sqlalchemy.orm.session import JoinTransactionMode
from sqlalchemy.pool import NullPool

from afterwards import Afterwards, CannotJoinTransaction
from afterwards.events import Event, TasksAdded
from tests.transactions.conftest import people_in
from tests.transactions.tasks import greet
from tests.transactions.test_commit import names_stored

POSTGRES = pytest.mark.parametrize("kind", ["PostgreSQL Session"])
ONE_OF_EACH = pytest.mark.parametrize("kind", ["SQLite Session", "PostgreSQL Session"])
DRIVERS = pytest.mark.parametrize(
    ("kind", "driver"), [("SQLite", "aiosqlite"), ("PostgreSQL", "asyncpg"), ("PostgreSQL", "psycopg")]
)


class Base(DeclarativeBase): ...


class Person(Base):
    __tablename__ = "people"
    name: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture
def engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


@pytest.fixture
async def async_engine(url: str, driver: str) -> AsyncIterator[AsyncEngine]:
    arguments = {"ssl": False} if driver == "asyncpg" else {}
    engine = create_async_engine(url.replace("://", f"+{driver}://", 1), connect_args=arguments)
    yield engine
    await engine.dispose()


@pytest.fixture
def greeting(afterwards: Afterwards) -> type[Session]:
    """A kind of session that greets whom it flushes."""

    class Greeting(Session): ...

    @event.listens_for(Greeting, "after_flush")
    def _(session: Session, _: UOWTransaction) -> None:
        for person in session.new:
            afterwards.using(transaction=session).add_sync(greet, person.name)

    return Greeting


@ONE_OF_EACH
@pytest.mark.parametrize("ends_well", [True, False])
async def test_a_savepoint_in_a_with_block_leaves_alone_what_was_added_before_it(
    afterwards: Afterwards, engine: sqlalchemy.Engine, url: str, ends_well: bool
):
    with Session(engine) as session, session.begin():
        session.add(Person(name="Ann"))
        afterwards.using(transaction=session).add_sync(greet, "Ann")
        with session.begin_nested() as savepoint:
            session.add(Person(name="Bob"))
            afterwards.using(transaction=session).add_sync(greet, "Bob")
            if not ends_well:
                savepoint.rollback()
    assert await names_stored(afterwards) == people_in(url) == ({"Ann", "Bob"} if ends_well else {"Ann"})


@ONE_OF_EACH
async def test_a_savepoint_that_fails_at_its_end_does_not_take_what_was_added_around_it(
    afterwards: Afterwards, engine: sqlalchemy.Engine
):
    with Session(engine) as session:
        session.execute(text("INSERT INTO people VALUES ('Ann')"))
        afterwards.using(transaction=session).add_sync(greet, "around")

        @event.listens_for(session, "before_commit", once=True)
        def _(_: Session) -> None:
            raise ValueError("no commit of this")

        with pytest.raises(ValueError, match="no commit"), session.begin_nested():
            afterwards.using(transaction=session).add_sync(greet, "within")
        session.commit()
    assert await names_stored(afterwards) == {"around"}


@ONE_OF_EACH
async def test_what_a_flush_adds_is_stored_when_the_commit_itself_flushes(
    afterwards: Afterwards, greeting: type[Session], engine: sqlalchemy.Engine, url: str
):
    with greeting(engine) as session:
        session.add(Person(name="first"))
        session.commit()
        session.add(Person(name="undone"))
        session.flush()
        session.rollback()
        with session.begin_nested():
            session.add(Person(name="in a savepoint"))
        session.commit()
    with greeting(engine) as session, session.begin():
        session.begin_nested()
        session.add(Person(name="in a savepoint left open"))
    assert await names_stored(afterwards) == people_in(url)
    assert people_in(url) == {"first", "in a savepoint", "in a savepoint left open"}


@ONE_OF_EACH
@pytest.mark.parametrize("mode", ["create_savepoint", "rollback_only", "control_fully"])
async def test_so_it_is_in_a_session_on_a_connection_with_a_transaction_of_its_own(
    afterwards: Afterwards, greeting: type[Session], engine: sqlalchemy.Engine, url: str, mode: JoinTransactionMode
):
    with engine.connect() as connection:
        outer = connection.begin()
        connection.execute(text("INSERT INTO people VALUES ('Ann')"))
        with greeting(connection, join_transaction_mode=mode) as session:
            session.add(Person(name="Bob"))
            session.commit()
            if mode == "create_savepoint":
                session.add(Person(name="undone"))
                session.flush()
                session.rollback()
        if outer.is_active:
            outer.commit()
    assert (await names_stored(afterwards), people_in(url)) == ({"Bob"}, {"Ann", "Bob"})


@DRIVERS
async def test_so_it_is_in_an_async_session(
    afterwards: Afterwards, greeting: type[Session], async_engine: AsyncEngine, url: str
):
    async with AsyncSession(async_engine, sync_session_class=greeting) as session:
        session.add(Person(name="Ann"))
        await session.commit()
        async with session.begin(), session.begin_nested():
            session.add(Person(name="Bob"))
    assert await names_stored(afterwards) == people_in(url) == {"Ann", "Bob"}


@DRIVERS
async def test_a_session_goes_on_after_a_failed_flush_and_after_a_commit_that_was_given_up(
    afterwards: Afterwards, async_engine: AsyncEngine, url: str
):
    async with AsyncSession(async_engine) as session:
        session.add(Person(name="Ann"))
        await session.commit()
        session.add(Person(name="Ann"))
        afterwards.using(transaction=session).add_sync(greet, "Ann")
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        session.add(Person(name="Bob"))
        afterwards.using(transaction=session).add_sync(greet, "Bob")

        @event.listens_for(session.sync_session, "before_commit", once=True)
        def _(_: Session) -> None:
            raise ValueError("not yet")

        with pytest.raises(ValueError, match="not yet"):
            await session.commit()
        afterwards.using(transaction=session).add_sync(greet, "Bob again")
        await session.commit()
    assert (await names_stored(afterwards), people_in(url)) == ({"Bob", "Bob again"}, {"Ann", "Bob"})


@ONE_OF_EACH
async def test_a_session_whose_info_is_cleared_still_stores(afterwards: Afterwards, engine: sqlalchemy.Engine):
    with Session(engine) as session:
        afterwards.using(transaction=session).add_sync(greet, "Ann")
        session.info.clear()
        afterwards.using(transaction=session).add_sync(greet, "Bob")
        session.commit()
    assert await names_stored(afterwards) == {"Ann", "Bob"}


@ONE_OF_EACH
async def test_where_every_statement_commits_by_itself_no_task_is_stored(
    afterwards: Afterwards, engine: sqlalchemy.Engine
):
    autocommitting = engine.execution_options(isolation_level="AUTOCOMMIT")
    with Session(autocommitting) as session:
        afterwards.using(transaction=session).add_sync(greet, "Ann")
        with pytest.raises(CannotJoinTransaction, match="every statement by itself"):
            session.commit()
    with autocommitting.connect() as connection:
        connection.begin()
        afterwards.using(transaction=connection).add_sync(greet, "Bob")
        with pytest.raises(CannotJoinTransaction, match="every statement by itself"):
            connection.commit()
    assert await afterwards.find() == []


@pytest.mark.parametrize("kind", ["SQLite Session"])
async def test_a_begin_executed_by_hand_makes_a_transaction_of_sqlite(
    afterwards: Afterwards, engine: sqlalchemy.Engine
):
    @event.listens_for(engine, "connect")
    def _(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # the driver's own

    @event.listens_for(engine, "begin")
    def _(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    with Session(engine) as session, session.begin():
        afterwards.using(transaction=session).add_sync(greet, "Ann")
        with session.begin_nested() as savepoint:
            afterwards.using(transaction=session).add_sync(greet, "undone")
            savepoint.rollback()
    with engine.begin() as connection:
        afterwards.using(transaction=connection).add_sync(greet, "Bob")
    assert await names_stored(afterwards) == {"Ann", "Bob"}


@POSTGRES
async def test_a_connection_whose_commit_fails_is_not_told_as_committed(
    afterwards: Afterwards, engine: sqlalchemy.Engine
):
    told: list[Event] = []
    afterwards.hear(told.append, TasksAdded)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE late (one integer UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        connection.execute(text("INSERT INTO late VALUES (1), (1)"))
        afterwards.using(transaction=connection).add_sync(greet, "Ann")
        with pytest.raises(IntegrityError):
            connection.commit()
    assert (await afterwards.find(), told) == ([], [])
    with engine.begin() as connection:
        afterwards.using(transaction=connection).add_sync(greet, "Bob")
    assert len(told) == len(await afterwards.find()) == 1


@POSTGRES
async def test_a_pipeline_of_psycopg_is_a_transaction_like_others(afterwards: Afterwards, url: str):
    with psycopg.connect(url) as connection, connection.pipeline():
        connection.execute("INSERT INTO people VALUES ('Ann')")
        afterwards.using(transaction=connection).add_sync(greet, "Ann")
    async with await psycopg.AsyncConnection.connect(url) as other, other.pipeline():
        await afterwards.using(transaction=other).add(greet, "Bob")
    assert await names_stored(afterwards) == {"Ann", "Bob"}
