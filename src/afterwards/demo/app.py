"""The app of the demo: registration answers at once, and the welcome mail is sent afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import IntegrityError

from afterwards import BackgroundTasks
from afterwards.demo import controls, pages
from afterwards.demo.people import OpenSession, Person, User, create_tables
from afterwards.demo.welcome import afterwards, send_welcome


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """The app's own start."""
    create_tables()
    yield


app = FastAPI(title="Registration", lifespan=lifespan, debug=True)  # which opens the dashboard to this machine
afterwards.install(app)
app.mount("/afterwards", afterwards.dashboard())


@app.post("/register", response_class=RedirectResponse, status_code=303)
def register(person: Annotated[Person, Form()], session: OpenSession, background_tasks: BackgroundTasks) -> str:
    """Store the person; the welcome mail follows."""
    user = User(name=person.name, email=person.email)
    session.add(user)
    try:
        session.flush()  # which gives the user an id
    except IntegrityError as error:
        raise HTTPException(409, f"{person.email} is registered already.") from error
    user.task_id = background_tasks.add_task(send_welcome, user.id).id
    session.commit()
    return "/"


pages.install(app)
controls.install(app)
