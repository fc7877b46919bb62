"""A transaction that is not on the store's database, or is none, stores nothing and says so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from afterwards import Afterwards, CannotJoinTransaction, State
from afterwards.stores.sqlalchemy import TASKS
from tests.transactions.conftest import new_database, new_file, people_in
from tests.transactions.kinds import ATTACHED, KINDS
from tests.transactions.tasks import greet

IS_ON_ANOTHER = "on another database than the tasks"
SQLITE = pytest.mark.parametrize("kind", ["SQLite Session"])


@pytest.fixture
def other_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Another database of the same kind, with the user's table."""
    if kind.startswith("SQLite"):
        return new_file(tmp_path / "other.db")
    return new_database(request)


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_on_another_database_nothing_is_committed(
    kind: str, afterwards: Afterwards, other_url: str, has_store: bool
):
    async with Afterwards(url=other_url, worker=False).opened() if has_store else afterwards.opened() as other:
        async with KINDS[kind](other_url) as dealing:
            await dealing.write("Ann")
            adding = afterwards.using(transaction=dealing.transaction).add(greet, "Ann")
            if kind in ATTACHED:
                await adding
            with pytest.raises(CannotJoinTransaction, match=IS_ON_ANOTHER):
                await (dealing.commit() if kind in ATTACHED else adding)
        assert people_in(other_url) == set()
        assert await other.find() == []


@SQLITE
async def test_another_kind_of_database_is_refused_at_once(afterwards: Afterwards):
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with Session(engine) as session, pytest.raises(CannotJoinTransaction, match=r"kind postgresql.*are in sqlite"):
        afterwards.using(transaction=session).add_sync(greet, "Ann")


@SQLITE
async def test_a_store_that_is_not_sql_joins_no_transaction(valkey_url: str, kind: str):
    async with Afterwards(url=valkey_url, worker=False).opened() as afterwards:
        with (
            closing(sqlite3.connect(":memory:")) as connection,
            pytest.raises(CannotJoinTransaction, match="no SQL database"),
        ):
            await afterwards.using(transaction=connection).add(greet, "Ann")
        assert await afterwards.find() == []


@SQLITE
async def test_a_connection_that_commits_by_itself_is_refused(afterwards: Afterwards, url: str):
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(CannotJoinTransaction, match="no transaction has begun"):
            afterwards.using(transaction=connection).add_sync(greet, "Ann")
        connection.execute("BEGIN")
        afterwards.using(transaction=connection).add_sync(greet, "Bob")
        connection.execute("COMMIT")
    async with aiosqlite.connect(path, isolation_level=None) as other:
        with pytest.raises(CannotJoinTransaction, match="no transaction has begun"):
            await afterwards.using(transaction=other).add(greet, "Ann")
    assert len(await afterwards.find()) == 1


@SQLITE
async def test_a_connection_on_which_nothing_has_begun_is_refused(afterwards: Afterwards, url: str):
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(CannotJoinTransaction, match="no transaction has begun"):
        afterwards.using(transaction=connection).add_sync(greet, "Ann")
    not_started = AsyncConnection(create_async_engine(url.replace("sqlite", "sqlite+aiosqlite", 1)))
    with pytest.raises(CannotJoinTransaction, match="has not been started"):
        afterwards.using(transaction=not_started).add_sync(greet, "Ann")
    with (
        Session(engine, autobegin=False) as session,
        pytest.raises(CannotJoinTransaction, match="no transaction has begun"),
    ):
        afterwards.using(transaction=session).add_sync(greet, "Ann")


@SQLITE
async def test_what_is_no_transaction_is_refused_by_using(afterwards: Afterwards, url: str):
    engine = create_engine(url)
    for wrong in (engine, sessionmaker(engine), url, object()):
        with pytest.raises(TypeError, match="transaction takes a Session"):
            afterwards.using(transaction=wrong)  # type: ignore[arg-type]  # so it is


@SQLITE
async def test_a_session_with_several_databases_finds_ours_by_its_binds(afterwards: Afterwards, url: str):
    class Base(DeclarativeBase): ...

    class Person(Base):
        __tablename__ = "people"
        name: Mapped[str] = mapped_column(primary_key=True)

    engine = create_engine(url, poolclass=NullPool)
    with (
        Session(binds={Person: engine}) as session,
        pytest.raises(CannotJoinTransaction, match="bound to no database as a whole"),
    ):
        afterwards.using(transaction=session).add_sync(greet, "Ann")
    with Session(binds={Person: engine, TASKS: engine}) as session, session.begin():
        session.add(Person(name="Ann"))
        afterwards.using(transaction=session).add_sync(greet, "Ann")
    assert people_in(url) == {"Ann"}
    assert [task.state for task in await afterwards.find()] == [State.WAITING]


@SQLITE
async def test_a_scoped_session_stands_for_the_one_of_its_scope(afterwards: Afterwards, url: str):
    engine = create_engine(url, poolclass=NullPool)
    scoped = scoped_session(sessionmaker(engine))
    afterwards.using(transaction=scoped).add_sync(greet, "Ann")
    scoped.commit()
    scoped.remove()
    assert len(await afterwards.find()) == 1


@SQLITE
async def test_what_is_added_while_the_session_flushes_or_commits_is_stored_too(afterwards: Afterwards, url: str):
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session:
        afterwards.using(transaction=session).add_sync(greet, "before")

        @event.listens_for(session, "before_commit")
        def _(session: Session) -> None:
            afterwards.using(transaction=session).add_sync(greet, "while it commits")

        session.execute(text("INSERT INTO people VALUES ('Ann')"))
        session.commit()
    assert len(await afterwards.find()) == 2


@SQLITE
async def test_a_commit_of_the_whole_with_a_savepoint_left_open_stores_what_is_in_it(afterwards: Afterwards, url: str):
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session:
        session.execute(text("INSERT INTO people VALUES ('Ann')"))
        afterwards.using(transaction=session).add_sync(greet, "around")
        session.begin_nested()
        session.begin_nested()
        afterwards.using(transaction=session).add_sync(greet, "within")
        transaction = session.get_transaction()
        assert transaction is not None
        transaction.commit()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO people VALUES ('Bob')"))
        afterwards.using(transaction=connection).add_sync(greet, "around")
        connection.begin_nested()
        afterwards.using(transaction=connection).add_sync(greet, "within")
    assert len(await afterwards.find()) == 4


@SQLITE
async def test_a_session_forgets_what_it_closed_without_a_commit(afterwards: Afterwards, url: str):
    engine = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite", 1), poolclass=NullPool)
    session = AsyncSession(engine)
    await afterwards.using(transaction=session).add(greet, "Ann")
    await session.close()
    await session.execute(text("INSERT INTO people VALUES ('Bob')"))
    await session.commit()
    await session.close()
    assert people_in(url) == {"Bob"}
    assert await afterwards.find() == []
