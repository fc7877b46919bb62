"""The commands as a person types them; each is one line to the file that does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from afterwards.cli import check as checking
from afterwards.cli.instance import imported, instance
from afterwards.cli.looking import list_tasks, show_task
from afterwards.cli.steering import cancel_tasks, retry_tasks
from afterwards.cli.trouble import Trouble, UsedWrongly
from afterwards.cli.words import harmless_lines
from afterwards.cli.work import work
from afterwards.errors import AfterwardsError
from afterwards.tasks import Search, State

app = typer.Typer(
    name="afterwards",
    help="FastAPI's background tasks, made durable: look at them, steer them, run them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

App = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:NAME", help="Where the Afterwards object is, as main:afterwards.")
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The store. By default the variable AFTERWARDS_URL, else sqlite:///afterwards.db."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[UUID], typer.Argument(metavar="ID...", help="The ids of the tasks.", show_default=False)]


def run() -> int:
    """Run the command that this process was called with; the exit code."""
    try:
        app()
    except UsedWrongly as error:
        return _fail(error, 2)
    except (Trouble, AfterwardsError) as error:
        return _fail(error, 1)
    return 0


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Run it through with nobody watching, a kill included.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default a free one.", show_default=False)
    ] = None,
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
    concurrency: Annotated[int | None, typer.Option(min=1, help="Tasks at once.", show_default=False)] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Serve only this queue; may be repeated.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log a line for each task.")] = False,
) -> None:
    """Run tasks without the web app. SIGTERM or Ctrl-C lets them finish, a second one does not."""
    work(imported(place), concurrency=concurrency, queues=queue or (), verbose=verbose)


@app.command("list")
def list_(
    app: App = None,
    url: Url = None,
    state: Annotated[State | None, typer.Option(help="Only tasks in this state.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only tasks of this queue.")] = None,
    name: Annotated[str | None, typer.Option(help="Only tasks of this function, as main:send_welcome.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List tasks, the newest first."""
    list_tasks(instance(app, url), Search(state=state, queue=queue, name=name), limit=limit, json=json)


@app.command()
def show(
    task_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the task.")],
    app: App = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Show all about one task: arguments, tries, error with its traceback."""
    show_task(instance(app, url), task_id, json=json)


@app.command()
def retry(ids: Ids, app: App = None, url: Url = None, json: Json = False) -> None:
    """Let tasks that have ended run again, with all their attempts."""
    raise typer.Exit(retry_tasks(instance(app, url), ids, json=json))


@app.command()
def cancel(ids: Ids, app: App = None, url: Url = None, json: Json = False) -> None:
    """Cancel tasks that wait; ask those that run to stop."""
    raise typer.Exit(cancel_tasks(instance(app, url), ids, json=json))


@app.command()
def check(app: App = None, url: Url = None, json: Json = False) -> None:
    """Say what is wrong with this set-up. Changes nothing."""
    chosen = instance(app, url)
    works = checking.app_works() if app is None else chosen.house.settings.worker
    raise typer.Exit(checking.check(chosen, app_works=works, json=json))


def _fail(error: Exception, code: int) -> int:
    typer.echo(f"afterwards: {harmless_lines(str(error))}", err=True)
    return code
