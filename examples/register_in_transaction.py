"""The user and his mail in one commit: a registration that fails leaves neither, and each mail is written once.

`transaction=session` lets the session's own commit store the task. The task writes its mail into the same database, and
`done_in` settles it in the commit that does so, so that a kill in between cannot write a second one.

Serve it:  uvicorn register_in_transaction:app --app-dir examples
Use it:    curl -X POST http://127.0.0.1:8000/users/ada@example.com; the second time it answers 409
See it:    sqlite3 users.db "SELECT * FROM mails"
In one go: python examples/register_in_transaction.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from afterwards import Afterwards, BackgroundTasks, current_task

engine = create_async_engine("sqlite+aiosqlite:///users.db", poolclass=NullPool)
new_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The app's own tables."""


class User(Base):
    """Somebody who has registered."""

    __tablename__ = "users"
    email: Mapped[str] = mapped_column(primary_key=True)


class Mail(Base):
    """A mail that was sent."""

    __tablename__ = "mails"
    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str]


# Before Afterwards opens the file: then that is the app's, and its journal stays as it is.
Base.metadata.create_all(create_engine("sqlite:///users.db", poolclass=NullPool))

app = FastAPI()
afterwards = Afterwards(app, "sqlite:///users.db")


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for each request; who uses it commits it."""
    async with new_session() as session:
        yield session


async def send_welcome(email: str) -> None:
    """The mail and the end of this task are one commit."""
    async with new_session() as session:
        session.add(Mail(to=email))
        await session.flush()
        await current_task().done_in(session)
        await session.commit()


@app.post("/users/{email}", status_code=201)
async def register(
    email: str, session: Annotated[AsyncSession, Depends(get_session)], tasks: BackgroundTasks
) -> dict[str, str]:
    """The user and the task are one commit."""
    session.add(User(email=email))
    tasks.using(transaction=session).add_task(send_welcome, email)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"{email} has registered already") from error
    return {"registered": email}


async def mails() -> list[str]:
    """Who was written to."""
    async with new_session() as session:
        return list(await session.scalars(select(Mail.to)))


def show() -> None:
    """Register twice, let the tasks run, and print the mails."""
    with TestClient(app) as client:
        for _ in range(2):
            print(client.post("/users/ada@example.com").json())
        asyncio.run(afterwards.drain())
    print(asyncio.run(mails()))


if __name__ == "__main__":
    show()
