"""The commands as a person types them; each is one line to the file that does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from afterwards import checks, environment
from afterwards.cli import check as checking
from afterwards.cli.counting import tell_stats
from afterwards.cli.instance import instance
from afterwards.cli.lines import LogFormat
from afterwards.cli.looking import list_tasks, show_task
from afterwards.cli.loops import Loop
from afterwards.cli.migrating import migrate_store, print_migration
from afterwards.cli.moving import move_tasks
from afterwards.cli.narrowing import (
    AddedAfter,
    AddedBefore,
    OfError,
    OfFunction,
    OfKey,
    OfQueue,
    OfState,
    instant,
    narrowed,
    since_when,
)
from afterwards.cli.orders import add_orders
from afterwards.cli.printing import print_text
from afterwards.cli.pruning import prune_tasks
from afterwards.cli.queues import pause_queues, resume_queues
from afterwards.cli.saying import App, Json, Url
from afterwards.cli.schedules import schedules
from afterwards.cli.serving import serve_dashboard
from afterwards.cli.trouble import Trouble, UsedWrongly
from afterwards.cli.watching import watch_tasks
from afterwards.cli.work import Shape, as_child, work
from afterwards.errors import AfterwardsError
from afterwards.harmless import harmless_lines
from afterwards.sizes import size
from afterwards.supervisor.addresses import address
from afterwards.supervisor.limits import Limits
from afterwards.supervisor.probes import CannotListen

app = typer.Typer(
    name="afterwards",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(schedules)

Queues = Annotated[list[str], typer.Argument(metavar="QUEUE...", help="The names of the queues.", show_default=False)]

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="By default a free one.", show_default=False)]

Read = TypeVar("Read")

MAX_AGE = 1e10  # seconds, some 300 years
MAX_TASKS = 1_000_000_000  # of one list


def run() -> int:
    """Run the command that this process was called with; the exit code."""
    try:
        app()
    except UsedWrongly as error:
        return _fail(error, 2)
    except (Trouble, CannotListen, AfterwardsError) as error:
        return _fail(error, 1)
    return 0


def _tell_version(wanted: bool) -> None:
    if wanted:
        print_text(f"afterwards {version('afterwards')}")
        raise typer.Exit


@app.callback()
def afterwards(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
    ] = False,
) -> None:
    """FastAPI's background tasks, made durable: look at them, steer them, run them."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Run it through with nobody watching, a kill included.")] = False,
    port: Port = None,
    directory: Annotated[
        Path | None, typer.Option(help="Keep the files there; by default they go with the demo.", show_default=False)
    ] = None,
) -> None:
    """Show it: a registration page whose mails survive a kill."""
    from afterwards.demo.run import CannotRun
    from afterwards.demo.run import run as run_demo

    try:
        code = run_demo(directory, port, only_once=once)
    except CannotRun as error:
        raise Trouble(str(error)) from error
    raise typer.Exit(code)


@app.command()
def worker(
    place: Annotated[str, typer.Argument(metavar="MODULE:NAME", help="Where the Afterwards is, as main:afterwards.")],
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Tasks at once, in each process.", show_default=False)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for `def` tasks, in each process.", show_default=False)
    ] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Serve only this queue; may be repeated.")] = None,
    max_tasks: Annotated[
        int | None, typer.Option(min=1, help="Replace a process that has run so many.", show_default=False)
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Replace a process that takes more, as 512MB.")
    ] = None,
    health: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Answer GET /live and /ready there, for probes.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="For development: start anew when Python files change.")] = (
        False
    ),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log a line for each task.")] = False,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
    loop: Annotated[Loop, typer.Option(help="The event loop: uvloop, if it is installed.")] = Loop.AUTO,
    child: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run tasks without the web app. SIGTERM or Ctrl-C lets them finish, one more does not."""
    shape = Shape(
        place=place,
        concurrency=concurrency,
        threads=threads,
        queues=tuple(_named(queue or [])),
        verbose=verbose,
        log_format=log_format,
        loop=loop,
        limits=Limits(max_tasks=max_tasks, max_memory=_amount(max_memory, size)),
    )
    raise typer.Exit(
        work(shape, processes=processes, health=_amount(health, address), reload=reload, child=_amount(child, as_child))
    )


@app.command("list")
def list_(
    app: App = None,
    url: Url = None,
    state: OfState = None,
    queue: OfQueue = None,
    function: OfFunction = None,
    error: OfError = None,
    key: OfKey = None,
    added_after: AddedAfter = None,
    added_before: AddedBefore = None,
    since: Annotated[
        float | None,
        typer.Option(min=0, max=MAX_AGE, metavar="SECONDS", help="Only those added since then.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_TASKS, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List tasks, the newest first."""
    chosen = instance(app, url)
    search = narrowed(
        chosen, state=state, queue=queue, function=function, error=error, key=key,
        added_after=since_when(added_after, since), added_before=instant(added_before),
    )  # fmt: skip
    list_tasks(chosen, search, limit=limit, json=json)


@app.command()
def stats(app: App = None, url: Url = None, json: Json = False) -> None:
    """Count: tasks by state, what waits in each queue and since when, what ended there lately, and who works."""
    tell_stats(instance(app, url), json=json)


@app.command()
def watch(
    app: App = None,
    url: Url = None,
    every: Annotated[float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="How often.")] = 1.0,
    times: Annotated[int | None, typer.Option(min=1, help="End after so many.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Draw the counts and the newest tasks anew, until Ctrl-C."""
    watch_tasks(instance(app, url), every=every, times=times, json=json)


@app.command()
def show(
    task_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the task.")],
    app: App = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Show all about one task: arguments, tries, error with its traceback."""
    show_task(instance(app, url), task_id, json=json)


add_orders(app)


@app.command()
def pause(queues: Queues, app: App = None, url: Url = None, json: Json = False) -> None:
    """Start nothing more from these queues, on any worker; what runs goes on."""
    pause_queues(instance(app, url), _named(queues), json=json)


@app.command()
def resume(queues: Queues, app: App = None, url: Url = None, json: Json = False) -> None:
    """Let paused queues go on."""
    resume_queues(instance(app, url), _named(queues), json=json)


@app.command()
def prune(
    older_than: Annotated[
        float | None,
        typer.Option(min=0, max=MAX_AGE, metavar="SECONDS", help="By default the retention.", show_default=False),
    ] = None,
    app: App = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Delete tasks that ended long ago. Never one that has not ended."""
    age = None if older_than is None else timedelta(seconds=older_than)
    prune_tasks(instance(app, url), older_than=age, json=json)


@app.command()
def migrate(
    app: App = None,
    url: Url = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print what would be run, and run nothing.")] = False,
    since: Annotated[
        int | None,
        typer.Option("--from", min=0, help="With --sql: from this version, asking no store.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Bring the store's schema up to date, or make it; or print how."""
    chosen = instance(app, url)
    if sql:
        print_migration(chosen, since=since, json=json)
    elif since is not None:
        raise UsedWrongly("--from goes with --sql: a store knows its version by itself")
    else:
        migrate_store(chosen, json=json)


@app.command()
def move(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The store that receives them.")],
    app: App = None,
    url: Url = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be moved, and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Carry all waiting tasks into another store. No worker may run here; broken off, it goes on where it was."""
    move_tasks(instance(app, url), to, dry_run=dry_run, json=json)


@app.command("dashboard")
def dashboard_(
    app: App = None,
    url: Url = None,
    port: Port = None,
) -> None:
    """Serve the dashboard of a store on this machine, for this machine alone. Ctrl-C ends it."""
    serve_dashboard(instance(app, url), port)


@app.command()
def check(app: App = None, url: Url = None, json: Json = False) -> None:
    """Say what is wrong with this set-up. Changes nothing."""
    chosen = instance(app, url)
    works = environment.worker_allowed() if app is None else chosen.house.settings.worker
    raise typer.Exit(checking.check(chosen, app_works=works, json=json))


def _named(queues: list[str]) -> list[str]:
    try:
        return [*map(checks.queue_name, queues)]
    except ValueError as error:
        raise UsedWrongly(str(error)) from error


def _amount(text: str | None, read: Callable[[str], Read]) -> Read | None:
    try:
        return None if text is None else read(text)
    except ValueError as error:
        raise UsedWrongly(str(error)) from error


def _fail(error: Exception, code: int) -> int:
    typer.echo(f"afterwards: {harmless_lines(str(error))}", err=True)
    return code
