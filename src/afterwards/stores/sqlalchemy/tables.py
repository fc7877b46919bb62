"""The tables of the stores in SQL as metadata of SQLAlchemy: for Alembic, and to say where they are to be found.

Nothing is created from it: the store's own migrations do that, and a test sees to it that the two do not differ.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    SmallInteger,
    Table,
    Text,
    table,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

PREFIX = "afterwards_"
_ERRORS = f"{PREFIX}errors"

TASKS = table("afterwards_tasks")
"""The tasks, by name. A Session with several databases finds them by `binds={TASKS: engine}`."""


def include_name(name: str | None, type_: str, parent_names: object) -> bool:
    """A filter for Alembic's `context.configure(include_name=...)`: leaves our tables to us.

    Without it Alembic, which sees them in the database and not in your metadata, proposes to drop them.
    """
    return type_ != "table" or name is None or not name.startswith(PREFIX)


def include_object(target: object, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
    """The same for `include_object=`, where that is what you have."""
    return include_name(name, type_, {})


@cache
def metadata(dialect: Literal["sqlite", "postgresql"]) -> MetaData:
    """Our tables in a database of that kind: `target_metadata = [Base.metadata, metadata("postgresql")]`."""
    made = MetaData()
    types = _SQLite() if dialect == "sqlite" else _PostgreSQL()
    _tasks(made, types)
    Table("afterwards_store", made, Column("id", Text(), nullable=False), *types.more_of_store())
    Table(
        "afterwards_schema",
        made,
        Column("version", Integer(), primary_key=True),
        Column("oldest_code", Integer(), nullable=False),
        types.applied(),
    )
    Table(
        "afterwards_workers",
        made,
        Column("id", types.word, primary_key=True),
        Column("host", Text(), nullable=False),
        Column("pid", Integer(), nullable=False),
        Column("label", Text(), nullable=False),
        Column("queues", types.texts),
        Column("functions", types.texts, nullable=False),
        Column("signed_on", types.instant, nullable=False),
        Column("expires", types.instant, nullable=False),
        Column("leaving", types.boolean, nullable=False, server_default=types.no),
        Column("quotas", types.texts, nullable=False, server_default=types.none),
    )
    Table("afterwards_paused", made, Column("queue", types.word, primary_key=True))
    Table(
        "afterwards_tallies",
        made,
        Column("worker", types.word, primary_key=True),
        Column("tally", Text(), nullable=False),
    )
    _add_schedules(made, types)
    _add_keys(made, types)
    _add_quotas(made, types)
    return made


def _add_quotas(made: MetaData, types: _SQLite | _PostgreSQL) -> None:
    number = Integer()
    Table(
        "afterwards_quotas",
        made,
        Column("name", types.word, primary_key=True),
        Column("most", number),
        Column("rate", number),
        Column("period", types.duration),
        Column("declared", types.instant, nullable=False),
    )
    openings = Table(
        "afterwards_openings",
        made,
        types.sequence(),
        *(Column(name, types.word, nullable=False) for name in ("queue", "gate", "gate_key")),
        Column("opens", types.instant, nullable=False),
    )
    Index("afterwards_next_opening", openings.c.queue, openings.c.opens)
    of_gate = openings.c.gate, openings.c.gate_key, openings.c.queue
    Index(types.openings_of_gate, *of_gate, unique=types.one_opening)
    passes = Table(
        "afterwards_passes",
        made,
        *(Column(name, types.word, primary_key=True) for name in ("gate", "gate_key")),
        Column("began", types.instant, primary_key=True),
        Column("ended", types.instant, nullable=False),
        Column("runs", number, nullable=False),
    )
    Index("afterwards_old_passes", passes.c.ended)


def _add_schedules(made: MetaData, types: _SQLite | _PostgreSQL) -> None:
    Table(
        "afterwards_schedules",
        made,
        Column("name", types.word, primary_key=True),
        Column("function", Text(), nullable=False),
        Column("line", Text(), nullable=False),
        Column("last", types.instant, nullable=False),
        Column("seen", types.instant, nullable=False),
        Column("paused", types.boolean, nullable=False, server_default=types.no),
        Column("asked", types.boolean, nullable=False, server_default=types.no),
    )


def _add_keys(made: MetaData, types: _SQLite | _PostgreSQL) -> None:
    keys = Table(
        "afterwards_keys",
        made,
        Column("name", types.word, primary_key=True),
        Column("key", types.word, primary_key=True),
        Column("task", types.id, nullable=False),
        Column("until", types.instant),
    )
    over = text("until IS NOT NULL")
    Index("afterwards_keys_until", keys.c.until, sqlite_where=over, postgresql_where=over)
    twins = Table(
        "afterwards_twins",
        made,
        Column("id", types.id, primary_key=True),
        Column("task", types.id, nullable=False),
    )
    Index("afterwards_twins_of", twins.c.task)


class _SQLite:
    """What the columns are there."""

    word: TypeEngine[Any] = Text()
    id: TypeEngine[Any] = Text()
    instant: TypeEngine[Any] = Integer()
    duration: TypeEngine[Any] = Integer()
    small: TypeEngine[Any] = Integer()
    boolean: TypeEngine[Any] = Integer()
    texts: TypeEngine[Any] = Text()
    tries: TypeEngine[Any] = Text()
    no, none = text("0"), text("'[]'")
    is_suspect, is_no_suspect, is_limited = "suspect = 1", "suspect = 0", "limited = 1"
    openings_of_gate, one_opening, last_of_gates = "afterwards_one_opening", True, "held"
    of_key: ClassVar = ["key"]
    lists_waiting = True  # which PostgreSQL finds by the claim index

    def sequence(self) -> Column[int]:
        return Column("sequence", Integer(), primary_key=True, nullable=True)

    def claim_line(self) -> list[str]:
        return ["queue", "priority", "due"]

    def more_of_store(self) -> list[Column[int] | Index]:
        return [Column("shared", Integer(), nullable=False, server_default=text("0"))]

    def more_of_tasks(self) -> list[Column[str | None] | Index]:
        kind = Computed("json_extract(error, '$.kind')", persisted=False)
        errors = Index(_ERRORS, "kind", "state", sqlite_where=text("error IS NOT NULL"))
        return [Column("kind", Text(), kind), errors]

    def applied(self) -> Column[Any]:
        return Column("applied", Text(), nullable=False)


class _PostgreSQL:
    """And there."""

    word: TypeEngine[Any] = Text(collation="C")
    id: TypeEngine[Any] = postgresql.UUID()
    instant: TypeEngine[Any] = postgresql.TIMESTAMP(timezone=True)
    duration: TypeEngine[Any] = Interval()
    small: TypeEngine[Any] = SmallInteger()
    boolean: TypeEngine[Any] = Boolean()
    texts: TypeEngine[Any] = postgresql.ARRAY(Text())
    tries: TypeEngine[Any] = postgresql.JSONB()
    no, none = text("false"), text("'{}'")
    is_suspect, is_no_suspect, is_limited = "suspect", "NOT suspect", "limited"
    openings_of_gate, one_opening, last_of_gates = "afterwards_openings_of_gate", False, "sequence"
    of_key: ClassVar = ["key", "sequence"]
    lists_waiting = False

    def sequence(self) -> Column[int]:
        return Column("sequence", BigInteger(), Identity(always=False), primary_key=True)

    def claim_line(self) -> list[str]:
        return ["queue", "priority", "due", "sequence"]

    def more_of_store(self) -> list[Column[int] | Index]:
        return [Index("afterwards_one_store", text("(true)"), unique=True)]

    def more_of_tasks(self) -> list[Column[str | None] | Index]:
        kind = text("(error::json ->> 'kind'::text)")
        return [Index(_ERRORS, kind, "state", "sequence", postgresql_where=text("error IS NOT NULL"))]

    def applied(self) -> Column[Any]:
        return Column("applied", self.instant, nullable=False, server_default=text("now()"))


def _tasks(made: MetaData, types: _SQLite | _PostgreSQL) -> None:
    word, instant, number = types.word, types.instant, Integer()
    tasks = Table(
        "afterwards_tasks",
        made,
        types.sequence(),
        Column("id", types.id, nullable=False, unique=True),
        Column("name", word, nullable=False),
        Column("arguments", Text(), nullable=False),
        Column("queue", word, nullable=False),
        Column("priority", types.small, nullable=False),
        Column("state", word, nullable=False),
        Column("held", word),
        Column("after", types.id),
        Column("due", instant, nullable=False),
        Column("added", instant, nullable=False),
        *(Column(name, number, nullable=False, server_default=text("0")) for name in ("attempt", "run", "crashes")),
        Column("crashes_allowed", number, nullable=False, server_default=text("3")),
        *(
            Column(name, types.boolean, nullable=False, server_default=types.no)
            for name in ("suspect", "freed", "stop_asked")
        ),
        Column("worker", word),
        Column("started", instant),
        Column("ended", instant),
        *(Column(name, Text()) for name in ("retry", "error", "result", "progress")),
        Column("key", word),
        Column("deadline", instant), Column("timeout", types.duration),
        Column("trace", Text()), Column("chain", word),
        Column("unique_for", types.duration),
        *(Column(name, Text()) for name in ("keeps", "logs")),
        Column("limit_key", word, nullable=False, server_default=text("''")),
        Column("limited", types.boolean, nullable=False, server_default=types.no),
        *(Column(name, word) for name in ("gate", "gate_key")),
        Column("rank", instant),
        *types.more_of_tasks(),
        Column("link", Text()),
        Column("tries", types.tries),
    )  # fmt: skip
    _indexes(tasks, types)


def _indexes(tasks: Table, types: _SQLite | _PostgreSQL) -> None:
    waiting = "state = 'waiting' AND held IS NULL AND "
    indexes = {
        "claimable": (types.claim_line(), waiting + types.is_no_suspect),
        "suspects": (types.claim_line(), waiting + types.is_suspect),
        "followers": (["after", "queue"], "held = 'after'"),
        "unknown": (["name", "queue"], "held = 'unknown'"),
        "running": (["worker"], "state = 'running'"),
        "limited_functions": (["name", "limit_key"], f"state = 'running' AND {types.is_limited}"),
        "limited_queues": (["queue"], f"state = 'running' AND {types.is_limited}"),
        "gates": (["gate", "gate_key", "queue", "rank", types.last_of_gates], "held IN ('limit', 'rate')"),
        "ended": (["ended", "state"], "ended IS NOT NULL"),
        "failed": (["sequence"], "state = 'failed'"),
        "cancelled": (["sequence"], "state = 'cancelled'"),
        "of_key": (types.of_key, "key IS NOT NULL"),
        "chains": (["chain", "ended"], "chain IS NOT NULL"),
        "broken_chains": (["after"], "state = 'cancelled' AND link IS NOT NULL"),
    }
    if types.lists_waiting:
        indexes["waiting"] = ["sequence"], "state = 'waiting'"
    for name, (columns, where) in indexes.items():
        condition = text(where)
        on = [tasks.c[column] for column in columns]
        Index(f"{PREFIX}{name}", *on, sqlite_where=condition, postgresql_where=condition)
