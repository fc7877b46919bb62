"""The commands `schedules list`, `pause`, `resume`, `run` and `forget`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from afterwards.app import Afterwards
from afterwards.cli.instance import instance
from afterwards.cli.looking import exists, where
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.saying import App, Json, Url
from afterwards.cli.trouble import Trouble
from afterwards.harmless import harmless
from afterwards.schedules import Schedule, Steer

schedules = typer.Typer(
    name="schedules", no_args_is_help=True, help="Look at what ticks by itself; pause it, resume, run, forget."
)

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="The names of the schedules.", show_default=False)]

_DONE = {
    Steer.PAUSE: "paused: it ticks no more",
    Steer.RESUME: "not paused: it ticks from now on",
    Steer.RUN: "asked to run once",
    Steer.FORGET: "forgotten",
}


@schedules.command("list")
def list_(app: App = None, url: Url = None, json: Json = False) -> None:
    """List all schedules, with the last tick and the next of each."""
    _show(asyncio.run(_listed(instance(app, url))), json=json)


@schedules.command()
def pause(names: Names, app: App = None, url: Url = None, json: Json = False) -> None:
    """Let these tick no more."""
    raise typer.Exit(_steer(instance(app, url), names, Steer.PAUSE, json=json))


@schedules.command()
def resume(names: Names, app: App = None, url: Url = None, json: Json = False) -> None:
    """Let these tick again, from now on."""
    raise typer.Exit(_steer(instance(app, url), names, Steer.RESUME, json=json))


@schedules.command()
def run(names: Names, app: App = None, url: Url = None, json: Json = False) -> None:
    """Add the task of each once, now, by the next worker that knows it; also of those that are paused."""
    raise typer.Exit(_steer(instance(app, url), names, Steer.RUN, json=json))


@schedules.command()
def forget(names: Names, app: App = None, url: Url = None, json: Json = False) -> None:
    """Delete schedules whose code is gone. A worker that knows one brings it back."""
    raise typer.Exit(_steer(instance(app, url), names, Steer.FORGET, json=json))


async def _listed(afterwards: Afterwards) -> Sequence[Schedule]:
    if not exists(afterwards):
        return ()
    try:
        return await afterwards.schedules.list()
    finally:
        await afterwards.house.store.close()


def _steer(afterwards: Afterwards, names: Sequence[str], how: Steer, *, json: bool) -> int:
    """Steer each; the exit code. Raises Trouble when there is no store."""
    changed = asyncio.run(_steered(afterwards, names, how))
    if json:
        print_json([{"schedule": name, "changed": is_known} for name, is_known in changed.items()])
    else:
        print_text(
            "\n".join(f"{harmless(name)}  {_DONE[how] if known else 'unknown'}" for name, known in changed.items())
        )
    return 0 if all(changed.values()) else 1


async def _steered(afterwards: Afterwards, names: Sequence[str], how: Steer) -> dict[str, bool]:
    if not exists(afterwards):
        raise Trouble(f"there is no store in {where(afterwards)} yet: the app makes it when it starts")
    store = afterwards.house.store
    try:
        return {name: await store.steer(name, how) for name in names}
    finally:
        await store.close()


def _show(found: Sequence[Schedule], *, json: bool) -> None:
    if json:
        print_json([_as_json(schedule) for schedule in found])
    elif found:
        print_text("\n".join(_in_words(schedule) for schedule in found))
    else:
        print_text("No schedules: a worker makes those of its code known when it starts.")


def _as_json(schedule: Schedule) -> dict[str, object]:
    return {
        "name": schedule.name,
        "function": schedule.function,
        "line": schedule.line,
        "last": schedule.last.isoformat(),
        "next": None if schedule.next is None else schedule.next.isoformat(),
        "seen": schedule.seen.isoformat(),
        "paused": schedule.paused,
        "asked": schedule.asked,
        "unknown": schedule.unknown,
    }


def _in_words(schedule: Schedule) -> str:
    if schedule.unknown:
        state = f"unknown to every worker since {_at(schedule.seen)}"
    elif schedule.paused:
        state = "paused"
    else:
        state = "next unknown" if schedule.next is None else f"next {_at(schedule.next)}"
    asked = "; asked to run" if schedule.asked else ""
    return f"{harmless(schedule.name)}  {harmless(schedule.line)}  last {_at(schedule.last)}, {state}{asked}"


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}Z"
