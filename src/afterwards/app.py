"""The public Afterwards: one object, each method one line to a room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response

from afterwards import building, checks, environment, starlette, visitors
from afterwards.adding import Tasks
from afterwards.batch import TaskHandle
from afterwards.chains import Chain, Group, Part
from afterwards.events import Ear, Event
from afterwards.hooks import FailureHook
from afterwards.house import House, Settings
from afterwards.how import AS_DECORATED, How, call_options
from afterwards.options import CallOptions, KeyFunction, Options
from afterwards.quotas import Quota, limit_of, of_queue, rate_of
from afterwards.redaction import Redaction
from afterwards.retries import Duration, Retry, as_duration
from afterwards.scheduling import Schedules
from afterwards.steering import Order, What, carry_out, order_for, search_of
from afterwards.tasks import DEFAULT_PRIORITY, DEFAULT_QUEUE, Census, State, Task, TaskId
from afterwards.tracing import Tracing
from afterwards.track import track
from afterwards.visitors import Auth

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from afterwards.metrics import Metrics


P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound=FailureHook)

A_MEBIBYTE = 1024 * 1024


class UsingAfterwards:
    """`afterwards.using(...)`: adds tasks with these options, outside of a request."""

    def __init__(self, house: House, options: CallOptions) -> None:
        self._house = house
        self._options = options

    async def add(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Store one task with these options. See `Afterwards.add`."""
        return await self._house.add(func, args, kwargs, self._options)

    def add_sync(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Store one task with these options, from plain synchronous code. See `Afterwards.add_sync`."""
        return self._house.add_sync(func, args, kwargs, self._options)


class Afterwards(UsingAfterwards):
    """Makes the background tasks of a FastAPI or Starlette app durable.

    `app`: the app, or later `install(app)`. `url`: `sqlite:///path.db`, `sqlite://` (a private file, removed at the
    end); by default the variable `AFTERWARDS_URL`, else `sqlite:///afterwards.db`. `worker`: run a worker inside the
    app's process; `AFTERWARDS_WORKER=0` turns it off. `concurrency`: tasks at once; `threads`: how many of them may be
    `def` functions; `processes`: how many isolated ones, by default one for each processor, and a process runs
    `tasks_per_process`. `queues`: which queues the worker serves, None for all. `retry`: the default policy. `lease`:
    how long a worker is believed alive after it last renewed. `grace`: how long running tasks may go on at shutdown.
    `retention`: how long ended tasks are kept. `when_unnameable`: `"raise"` CannotName for a lambda, closure or bound
    method, or run it here, `"local"`, and not durably. `max_bytes`: the largest stored call. `add_timeout`: how long a
    request waits for the store before it gets 503. `migrate`: bring the store's schema up to date when it is opened;
    `AFTERWARDS_MIGRATE=0` turns it off, and then one that is missing or behind refuses to start. `traces`: what
    OpenTelemetry hears of, once the app has set it up: `"tasks"` added and run, writes to the `"store"` too, or
    nothing, `"off"`; or a `traces.Traces` with a tracer provider of its own. `idempotency_header`: the name of a
    request header, as "Idempotency-Key", with which a request that is sent again within `idempotency_for` adds no task
    twice. Durations are seconds or timedelta.

    Raises UnsupportedURL, or ValueError for a number that makes no sense.

    Example:
        `afterwards = Afterwards(app)`
    """

    def __init__(
        self,
        app: Starlette | None = None,
        url: str | None = None,
        *,
        worker: bool = True,
        concurrency: int = 100,
        threads: int = 40,
        processes: int | None = None,
        tasks_per_process: int = 100,
        queues: Sequence[str] | None = None,
        retry: Retry | None = None,
        lease: Duration = 15.0,
        grace: Duration = 10.0,
        retention: Duration = timedelta(days=1),
        when_unnameable: Literal["raise", "local"] | None = None,
        max_bytes: int = A_MEBIBYTE,
        add_timeout: Duration = 5.0,
        migrate: bool = True,
        traces: Literal["off", "tasks", "store"] | Tracing = "tasks",
        idempotency_header: str | None = None,
        idempotency_for: Duration = timedelta(days=1),
    ) -> None:
        pool = building.pool_size(processes, tasks_per_process)
        options = building.worker_options(
            queues, concurrency, threads, pool, lease=lease, grace=grace, retention=retention
        )
        settings = Settings(
            url=environment.store_url() if url is None else checks.url(url),
            worker=checks.yes_or_no(worker, "worker") and environment.worker_allowed(),
            options=options,
            retry=checks.policy(retry),
            max_bytes=checks.whole_number(max_bytes, "max_bytes"),
            when_unnameable=building.when_unnameable(when_unnameable),
            add_timeout=checks.some_time(add_timeout, "add_timeout"),
            migrate=checks.yes_or_no(migrate, "migrate") and environment.migration_allowed(),
            idempotency_header=None if idempotency_header is None else checks.header(idempotency_header),
            idempotency_for=checks.some_time(idempotency_for, "idempotency_for"),
        )
        self._begin(building.house(settings, building.tracing(traces)), app)

    def _begin(self, house: House, app: Starlette | None) -> None:
        super().__init__(house, AS_DECORATED)
        self.house = house
        self.schedules = Schedules(self.house)
        self.every, self.track = self.schedules.every, track
        if app is not None:
            self.install(app)

    # Into an app

    def install(self, app: Starlette) -> None:
        """Open and close with this app's lifespan, whichever it has; before or after its routes are declared."""
        starlette.install(app, self.house)

    def adopt(self, app: FastAPI) -> None:
        """Install, and make plain `fastapi.BackgroundTasks` parameters of this app durable with no import changed.

        Functions that cannot be named then run after the response as before, with a warning. Raises
        UnsupportedFastAPI when this FastAPI's inside is not as known.
        """
        from afterwards import fastapi as door

        door.adopt(app, self.house)

    @asynccontextmanager
    async def opened(self, *, worker: bool = False) -> AsyncGenerator[Afterwards]:
        """The store is open inside the block, outside of any app: for scripts; with `worker`, tasks run too."""
        async with self.house.opened(), self.house.working() if worker else nullcontext():
            yield self

    def hear(self, ear: Ear, *kinds: type[Event]) -> Callable[[], None]:
        """Call `ear` with every event of this process, or those of the given kinds; returns what stops it.

        Example:
            `stop = afterwards.hear(count_failures, TaskEnded)`, with the kinds from `afterwards.events`
        """
        return self.house.events.hear(ear, *kinds)

    # Adding

    def task(
        self,
        *,
        name: str | None = None,
        aliases: Sequence[str] = (),
        version: int = 1,
        queue: str = DEFAULT_QUEUE,
        priority: int = DEFAULT_PRIORITY,
        retry: Retry | None = None,
        timeout: Duration | None = None,
        isolate: bool = False,
        max_memory: str | int | None = None,
        key: str | KeyFunction | None = None,
        unique_for: Duration | None = None,
        replace: bool = False,
        keep_result: bool = False,
        keep_logs: bool = False,
        limit: int | None = None,
        limit_by: Callable[..., object] | None = None,
        rate: str | None = None,
    ) -> Callable[[F], F]:
        """Note a function's options; the decorator returns the function itself, which stays plain code.

        `name` is what it is stored under (`module:qualname` if not given), `aliases` what it was stored under before;
        its tasks are not run by code of a lower `version`. `priority` is 0–9, higher first. After
        `timeout` (seconds or timedelta) a run is cancelled and has failed with TimedOut. `isolate`: run it in a process
        of its own, which is killed when it is to stop, or takes more than `max_memory` (`"512MB"`, or bytes). `key` is
        that of every call, or a function of the arguments that makes it; `unique_for` and `replace` are as in `using`.
        `keep_result`: what it returns is kept with the task; `keep_logs`: what it logs. At most `limit` runs go
        on at once, and at most as many begin as `rate` says, `"100/minute"`, on all workers together; `limit_by`, a
        function of the task's arguments, counts them by what it returns. Raises ValueError or TypeError for nonsense,
        CannotName for a function without a name.

        Example:
            `@afterwards.task(queue="mail", retry=Retry(attempts=8))`
        """
        options = Options(
            name=name, aliases=aliases, version=version, queue=queue, priority=priority, retry=retry,
            timeout=None if timeout is None else checks.some_time(timeout, "timeout"),
            isolate=checks.isolation(isolate),
            max_memory=None if max_memory is None else checks.memory(max_memory, "max_memory"),
            key=key,
            unique_for=None if unique_for is None else checks.some_time(unique_for, "unique_for"),
            replace=replace,
            keep_result=checks.yes_or_no(keep_result, "keep_result"),
            keep_logs=checks.yes_or_no(keep_logs, "keep_logs"),
            limit=limit_of(limit),
            limit_by=limit_by,
            rate=rate_of(rate),
        )  # fmt: skip
        return self.house.registry.noting(options)

    def queue(self, name: str, *, limit: int | None = None, rate: str | None = None) -> None:
        """Declare how many tasks of a queue may run at once, or begin in a time, on all workers together.

        Raises ValueError or TypeError for nonsense.

        Example:
            `afterwards.queue("mail", limit=10, rate="100/minute")`
        """
        quota = Quota(name=of_queue(checks.queue_name(name)), most=limit_of(limit), rate=rate_of(rate))
        if quota.most is None and quota.rate is None:
            raise ValueError(f"queue({name!r}) declares nothing: give limit= or rate=")
        self.house.registry.note_queue(quota)

    def on_failure(self, hook: H) -> H:
        """Call `hook(task, error)` when a task has failed for good: no try follows, or it was poison.

        An `async def`, or a `def`, which is called in a thread. Called in the worker that knows, before the failure is
        stored: seldom twice. What it raises is only logged, and after 30 s it is cut short. Returns the function.

        Example:
            `@afterwards.on_failure` above `async def alert(task: Task, error: Failure) -> None:`
        """
        self.house.failure_hooks.add(hook)
        return hook

    def using(self, **how: Unpack[How]) -> UsingAfterwards:
        """Add with options: `await afterwards.using(delay=60).add(send_reminder, user.id)`."""
        return UsingAfterwards(self.house, call_options(how))

    async def add(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Store one task now, outside of a request; it is stored when this returns, and may have started.

        Raises CannotName, CannotStore, CallTooLarge; StoreUnavailable when it is not stored.
        """
        return await self.house.add(func, args, kwargs, AS_DECORATED)

    def add_sync(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """The same from plain synchronous code: a script, a `def` endpoint, a thread. Blocks until it is stored."""
        return self.house.add_sync(func, args, kwargs, AS_DECORATED)

    def chain(self, *parts: Part) -> Chain:
        """Steps one after another: each starts when the one before is done, and may take what that returned.

        Await it to store it: all in one write, with all ids known. `call(function, ...)` makes a step; a chain or a
        group may be a part too. A step that is tried again keeps the next waiting; one that has failed or was cancelled
        cancels all that need it, but for a step that starts `anyway()`. Retry the failed one, and those wait for it
        again.

        Raises ValueError and TypeError for what is no chain; when awaited, what `add` raises.

        Example:
            `await afterwards.chain(call(fetch, url), call(parse), call(save, user.id))`
        """
        return Chain(parts, self.house.add_chain)

    def group(self, parts: Iterable[Part], then: Part | None = None) -> Group:
        """Parts side by side; `then` starts when all are done, and may take the list of what they returned.

        Await it to store it, or make it a part of a chain. See `chain`. Of a group without a part, `then` starts at
        once, with an empty list.

        Example:
            `await afterwards.group([call(count, page) for page in pages], then=call(add_up))`
        """
        return Group(parts, then, self.house.add_chain)

    def batch(self, request: HTTPConnection) -> AbstractAsyncContextManager[Tasks]:
        """For Starlette endpoints: `async with afterwards.batch(request) as tasks: tasks.add_task(...)`.

        Stored when the block ends; an error inside stores nothing. Raises StoreUnavailable, which answers 503.
        """
        return starlette.batch(request, self.house)

    # Looking and steering

    async def get(self, task_id: TaskId) -> Task:
        """The task as it stands. Raises UnknownTask."""
        return await self.house.get(task_id)

    async def wait(self, task_id: TaskId, timeout: Duration | None = None) -> Task:
        """The task once it has ended; without a `timeout` (seconds or timedelta) it waits for ever.

        Raises TimeoutError, UnknownTask.
        """
        return (await self.wait_all([task_id], timeout))[0]

    async def wait_all(self, task_ids: Iterable[TaskId], timeout: Duration | None = None) -> list[Task]:
        """These tasks, in their order, once all have ended; however many wait, one of them asks the store for all.

        Raises TimeoutError, UnknownTask.
        """
        longest = None if timeout is None else as_duration(timeout, "timeout")
        return await self.house.wait(checks.task_ids(task_ids), timeout=longest)

    async def find(
        self,
        *,
        state: State | str | None = None,
        queue: str | None = None,
        function: str | Callable[..., Any] | None = None,
        error: str | type[BaseException] | None = None,
        key: str | None = None,
        added_after: datetime | None = None,
        added_before: datetime | None = None,
        limit: int = 50,
        after: TaskId | None = None,
    ) -> list[Task]:
        """Tasks that match, the newest first; the next page comes with `after` set to the last one's id.

        `function` is a function, or the name of its tasks. `error` is the class of the last error: a class, its whole
        name, or without a dot the name that it has in whichever module. `key` finds who holds it and who held it. They
        were added at `added_after` or later, and earlier than `added_before`, aware datetimes. Raises ValueError for
        nonsense.

        Example:
            `await afterwards.find(state="failed", error="SMTPServerDisconnected")`
        """
        what: dict[str, object] = {"state": state, "queue": queue, "function": function, "error": error, "key": key}
        what |= {"added_after": added_after, "added_before": added_before}
        given = cast("What", {part: value for part, value in what.items() if value is not None})
        search = search_of(given, self.house.registry)
        return await self.house.find(search, limit=checks.whole_number(limit, "limit"), after=after)

    async def cancel(self, task_id: TaskId) -> Task:
        """A waiting task never runs, a running async one is interrupted; one that has ended stays as it is.

        Returns the task as it stands then. Raises UnknownTask.
        """
        await self.house.store.cancel([task_id])
        return await self.house.get(task_id)

    async def retry(self, task_id: TaskId) -> Task:
        """An ended task waits again, with all its attempts; any other stays as it is. Raises UnknownTask."""
        await self.house.store.retry([task_id])
        return await self.house.get(task_id)

    async def delete(self, task_id: TaskId) -> bool:
        """An ended task is deleted, before its `retention` is over. Whether it was: one that has not ended stays.

        Raises UnknownTask.
        """
        deleted = await self.house.store.delete([task_id])
        if not deleted:
            await self.house.get(task_id)
        return bool(deleted)

    async def retry_all(self, **what: Unpack[What]) -> int:
        """The same as `retry` for all that match, failed ones unless `state` says otherwise. How many wait again.

        It takes what `find` takes, and `ids`. A task that fails again meanwhile is not retried twice, one that somebody
        else has retried is left alone. Nothing else waits for long. Raises ValueError or TypeError for nonsense, and
        StoreUnavailable: some may have been retried by then, and the same call goes on with the others.

        Example:
            `await afterwards.retry_all(error="smtplib.SMTPServerDisconnected", queue="mail")`
        """
        return await self._carry_out(Order.RETRY, what)

    async def cancel_all(self, **what: Unpack[What]) -> int:
        """The same as `cancel` for all that match, waiting and running ones unless `state` says which. How many.

        Example:
            `await afterwards.cancel_all(function=send_newsletter, state="waiting")`
        """
        return await self._carry_out(Order.CANCEL, what)

    async def delete_all(self, **what: Unpack[What]) -> int:
        """The same as `delete` for all that match, however they ended unless `state` says it. How many.

        Example:
            `await afterwards.delete_all(state="cancelled", added_before=datetime(2027, 1, 1, tzinfo=UTC))`
        """
        return await self._carry_out(Order.DELETE, what)

    async def pause(self, queue: str) -> None:
        """Start nothing more from this queue, on any worker, until `resume`."""
        await self.house.store.pause(checks.queue_name(queue), paused=True)

    async def resume(self, queue: str) -> None:
        """Let a paused queue go on."""
        await self.house.store.pause(checks.queue_name(queue), paused=False)

    async def census(self) -> Census:
        """How many tasks there are in which state, who works, which queues are paused."""
        return await self.house.store.census()

    # Doors for people

    def status_router(self, *, auth: Auth | None = None, redact: Sequence[str] = ()) -> APIRouter:
        """Routes that tell a front end how far a task is: `app.include_router(..., prefix="/tasks")`.

        `GET /{id}`, `GET /{id}/events` as server-sent events, and `/afterwards.js`, which reads them. Without `auth`
        they give state, attempt and progress to whoever knows the id. `auth` takes the request, sync or async, and
        returns None or False (403), `"read"`, `"all"` or True: then they give name, times, result and error too, and
        `DELETE /{id}` cancels for `"all"`. `redact` names more arguments that are never shown. See `dashboard`.

        Without FastAPI it is a Router of Starlette, to be mounted. Raises ValueError for nonsense.
        """
        from afterwards.status import status_router

        return cast("APIRouter", status_router(self.house, visitors.checked(auth), Redaction(redact)))

    def accepted(self, task: TaskHandle, *, location: str | None = None) -> Response:
        """`return afterwards.accepted(task)`: 202, with the place of the task's status as Location, and Retry-After.

        Raises NotInstalled where no status router is included and no `location` given.
        """
        from afterwards.status import accepted

        return accepted(self.house, task, location)

    def dashboard(self, *, auth: Auth | None = None, redact: Sequence[str] = ()) -> Starlette:
        """Pages for people, to mount under any path: `app.mount("/afterwards", afterwards.dashboard(auth=is_admin))`.

        Without `auth` they are open to this machine alone, and that only while the app is in debug mode. `auth` is as
        for `status_router`: `"read"` looks, `"all"` steers too, and `{"retry", "cancel"}` takes those actions alone.
        Whatever stands under a name such as `password` or `token` is hidden, in arguments, results and errors; `redact`
        adds names. Needs the extra `[dashboard]`.

        Raises ImportError without Jinja2, ValueError for nonsense.
        """
        from afterwards.dashboard import dashboard

        return dashboard(self.house, visitors.checked(auth), Redaction(redact))

    def metrics(self) -> Metrics:
        """For Prometheus: an ASGI app to mount, and a collector to register. Needs the extra `[metrics]`.

        It asks for no password: mount it where only your scraper comes. Raises ImportError without prometheus_client.

        Example:
            `app.mount("/metrics", afterwards.metrics())`
        """
        try:
            from afterwards.metrics import Metrics
        except ModuleNotFoundError as error:
            raise ImportError("metrics need prometheus_client: pip install 'afterwards[metrics]'") from error
        return Metrics(self.census, lambda: self.house.store.tallies())

    async def drain(self) -> None:
        """Run everything that is due, and what that adds, then return: for tests and scripts."""
        await self.house.drain()

    async def _carry_out(self, order: Order, what: What) -> int:
        return await carry_out(self.house.store, order, order_for(order, search_of(what, self.house.registry)))
