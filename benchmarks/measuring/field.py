"""The systems, by name: where each has its code and its environment, and how much it is given to do."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One system on one store.

    `environment` is the heading of its pins, None for ours. `drain`: how many tasks one worker process drains in about
    five seconds on two cores. `in_app`: its tasks run in the app's own process, with no worker beside it when the app
    is measured; `alone`: they run nowhere else. Not `adds`: there are no tasks at all.
    """

    name: str
    module: str
    store: str
    environment: str | None = None
    drain: int = 0
    in_app: bool = False
    alone: bool = False
    adds: bool = True

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("afterwards")

    @property
    def settings(self) -> str:
        """What its file says of how it is set up."""
        source = BENCHMARKS / f"{self.module.replace('.', '/')}.py"
        return ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""


OURS = (
    Entry(name="afterwards-sqlite", module="systems.ours", store="sqlite", drain=60_000, in_app=True),
    Entry(name="afterwards-adopted", module="systems.ours_adopted", store="sqlite", in_app=True, alone=True),
    Entry(name="afterwards-postgres", module="systems.ours", store="postgres", drain=40_000),
    Entry(name="afterwards-valkey", module="systems.ours", store="valkey", drain=40_000),
    Entry(name="afterwards-redis", module="systems.ours", store="redis", drain=40_000),
)
IN_THE_APP = (
    Entry(name="plain", module="systems.plain", store="sqlite", in_app=True, alone=True, adds=False),
    Entry(name="starlette", module="systems.with_starlette", store="sqlite", in_app=True, alone=True),
    Entry(name="least", module="systems.least", store="sqlite", in_app=True, alone=True),
)


def _peer(name: str, store: str, drain: int, *, environment: str | None = None, module: str | None = None) -> Entry:
    """One whose environment has its name, and whose file has the name of the environment, unless said otherwise."""
    environment = environment or name
    file = f"systems.with_{module or environment.replace('-', '_')}"
    return Entry(name=name, module=file, store=store, environment=environment, drain=drain)


ON_SQLITE = (
    Entry(
        name="fastapi-taskflow",
        module="systems.with_taskflow",
        store="sqlite",
        environment="fastapi-taskflow",
        in_app=True,
        alone=True,
    ),
    _peer("huey-sqlite", "sqlite", 10_000, environment="huey"),
)
ON_REDIS = (
    _peer("arq", "valkey", 5_000),
    _peer("saq-redis", "valkey", 8_000, environment="saq"),
    _peer("taskiq-list", "valkey", 12_000, environment="taskiq", module="taskiq_list"),
    _peer("taskiq-stream", "valkey", 10_000, environment="taskiq", module="taskiq_stream"),
    _peer("streaq", "valkey", 5_000),
    _peer("dramatiq", "valkey", 12_000),
    _peer("huey-redis", "valkey", 15_000, environment="huey"),
    _peer("rq", "valkey", 1_200),
    _peer("rq-simple", "valkey", 2_000, environment="rq", module="rq_simple"),
    _peer("celery", "valkey", 5_000),
)
ON_POSTGRES = (
    _peer("procrastinate", "postgres", 2_500),
    _peer("pgqueuer", "postgres", 40_000),
    _peer("saq-postgres", "postgres", 2_500, environment="saq"),
    _peer("chancy", "postgres", 10_000),
    _peer("awa-pg", "postgres", 20_000, module="awa"),
    _peer("oban", "postgres", 8_000),
)
FIELD = {entry.name: entry for entry in (*IN_THE_APP, *OURS, *ON_SQLITE, *ON_REDIS, *ON_POSTGRES)}
