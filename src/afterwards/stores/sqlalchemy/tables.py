"""The tables of the stores in SQL as metadata of SQLAlchemy: for Alembic, and to say where they are to be found.

Nothing is created from it: the store's own migrations do that, and a test sees to it that the two do not differ.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Integer,
    Interval,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

PREFIX = "afterwards_"

metadata = MetaData()
"""Our tables. In Alembic's env.py: `target_metadata = [Base.metadata, metadata]`."""


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    """A filter for Alembic's `context.configure(include_name=...)`: leaves our tables to us.

    Without it Alembic, which sees them in the database and not in your metadata, proposes to drop them.
    """
    return type_ != "table" or name is None or not name.startswith(PREFIX)


def include_object(target: object, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
    """The same for `include_object=`, where that is what you have."""
    return include_name(name, type_, {})


def _on_postgresql(here: TypeEngine[Any], there: TypeEngine[Any]) -> TypeEngine[Any]:
    return here.with_variant(there, "postgresql")


_TEXT = Text()
_WORD = _on_postgresql(Text(), Text(collation="C"))
_ID = _on_postgresql(Text(), postgresql.UUID())
_INSTANT = _on_postgresql(Integer(), postgresql.TIMESTAMP(timezone=True))
_DURATION = _on_postgresql(Integer(), Interval())
_SMALL = _on_postgresql(Integer(), SmallInteger())
_YES_OR_NO = _on_postgresql(Integer(), Boolean())
_TEXTS = _on_postgresql(Text(), postgresql.ARRAY(Text()))
_NO = text("false")
_SEQUENCE = _on_postgresql(Integer(), BigInteger())

TASKS = Table(
    "afterwards_tasks",
    metadata,
    Column("sequence", _SEQUENCE, Identity(always=False), primary_key=True),
    Column("id", _ID, nullable=False, unique=True),
    Column("name", _WORD, nullable=False),
    Column("arguments", _TEXT, nullable=False),
    Column("queue", _WORD, nullable=False),
    Column("priority", _SMALL, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("held", _WORD),
    Column("after", _ID),
    Column("due", _INSTANT, nullable=False),
    Column("added", _INSTANT, nullable=False),
    Column("attempt", Integer(), nullable=False, server_default=text("0")),
    Column("run", Integer(), nullable=False, server_default=text("0")),
    Column("crashes", Integer(), nullable=False, server_default=text("0")),
    Column("crashes_allowed", Integer(), nullable=False, server_default=text("3")),
    Column("suspect", _YES_OR_NO, nullable=False, server_default=_NO),
    Column("freed", _YES_OR_NO, nullable=False, server_default=_NO),
    Column("stop_asked", _YES_OR_NO, nullable=False, server_default=_NO),
    Column("worker", _WORD),
    Column("started", _INSTANT),
    Column("ended", _INSTANT),
    Column("retry", _TEXT),
    Column("error", _TEXT),
    Column("result", _TEXT),
    Column("progress", _TEXT),
    Column("key", _WORD),
    Column("deadline", _INSTANT),
    Column("timeout", _DURATION),
    Column("trace", _TEXT),
    Column("chain", _TEXT),
)
"""The tasks. A Session with several databases finds the store's by `binds={TASKS: engine}`."""

_STORE = Table("afterwards_store", metadata, Column("id", _TEXT, nullable=False))

_WORKERS = Table(
    "afterwards_workers",
    metadata,
    Column("id", _WORD, primary_key=True),
    Column("host", _TEXT, nullable=False),
    Column("pid", Integer(), nullable=False),
    Column("label", _TEXT, nullable=False),
    Column("queues", _TEXTS),
    Column("functions", _TEXTS, nullable=False),
    Column("signed_on", _INSTANT, nullable=False),
    Column("expires", _INSTANT, nullable=False),
    Column("leaving", _YES_OR_NO, nullable=False, server_default=_NO),
)

_PAUSED = Table("afterwards_paused", metadata, Column("queue", _WORD, primary_key=True))
