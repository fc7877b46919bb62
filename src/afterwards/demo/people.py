"""The people who have registered, in SQLite through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, StringConstraints
from sqlalchemy import URL, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from afterwards.demo.place import this_place

engine = create_engine(URL.create("sqlite", database=str(this_place().people)))


class Base(DeclarativeBase):
    """What all tables of the app have in common."""


class User(Base):
    """One who has registered; `task_id` is the task that sends the welcome mail."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    registered: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    task_id: Mapped[UUID | None]


def _checked_address(email: str) -> str:
    """Raises ValueError for what could not stand in a mail's header."""
    try:
        address = Address(addr_spec=email)
    except Exception as error:  # the parser has more ways to fail than it documents
        raise ValueError("this is no e-mail address") from error
    if not address.username or "." not in address.domain or not email.isprintable():
        raise ValueError("this is no e-mail address")
    return email


def _checked_name(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name has no line breaks or control characters")
    return name


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_checked_name)
]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_checked_address)]


class Person(BaseModel):
    """What the registration form sends."""

    name: Name
    email: Email


def create_tables() -> None:
    """Make what is missing."""
    Base.metadata.create_all(engine)


def open_session() -> Iterator[Session]:
    """A session for one request."""
    with Session(engine) as session:
        yield session


OpenSession = Annotated[Session, Depends(open_session)]


def newest_users(session: Session, limit: int) -> Sequence[User]:
    """The latest first."""
    return session.scalars(select(User).order_by(User.id.desc()).limit(limit)).all()


def count_users(session: Session) -> int:
    """How many have registered."""
    return session.scalar(select(func.count(User.id))) or 0
