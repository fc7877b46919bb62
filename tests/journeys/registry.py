"""An app whose registrations and mails are rows of one database: the transaction that writes a registration stores its
task, and the task settles itself in the transaction that writes the mail.
"""

import os
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from afterwards import Afterwards, BackgroundTasks, Retry, current_task

URL = os.environ["AFTERWARDS_URL"]
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
NO_SSL = {"connect_args": {"ssl": False}} if URL.startswith("postgresql") else {}

app = FastAPI()
afterwards = Afterwards(app, retry=Retry(attempts=20, first=0.05, longest=0.2))
engine = create_async_engine(re.sub(r"^\w+", lambda kind: DRIVERS[kind[0]], URL), **NO_SSL)
sessions = async_sessionmaker(engine)


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def send_mail(number: int) -> None:
    async with sessions() as session:
        await session.execute(text("INSERT INTO mails VALUES (:number)"), {"number": number})
        await current_task().done_in(session)
        await session.commit()
    if number % 7 == 0:
        raise RuntimeError("the mail is out, and then something broke")


@app.post("/{number}")
async def register(
    number: int, ending: str, tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(session)]
) -> None:
    await session.execute(text("INSERT INTO registrations VALUES (:number)"), {"number": number})
    tasks.using(transaction=session).add_task(send_mail, number)
    match ending:
        case "commit":
            await session.commit()
        case "rollback":
            await session.rollback()
        case "raise":
            raise HTTPException(409)
        case "savepoint":
            savepoint = await session.begin_nested()
            await session.execute(text("INSERT INTO registrations VALUES (:number)"), {"number": number + 100_000})
            tasks.using(transaction=session).add_task(send_mail, number + 100_000)
            await savepoint.rollback()
            await session.commit()
        case _:
            raise HTTPException(404)
