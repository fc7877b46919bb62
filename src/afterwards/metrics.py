"""Metrics for Prometheus, read from the store: any one process tells of all. Counts nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from afterwards.elsewhere import run_elsewhere
from afterwards.errors import StoreUnavailable
from afterwards.tasks import Census, State

MOST_QUEUES = 100
OTHERS = "(others)"  # the queue of those beyond that, taken together


class Metrics:
    """An ASGI app that answers a scrape, and a collector for a registry of your own.

    Example:
        `app.mount("/metrics", afterwards.metrics())`, or `REGISTRY.register(afterwards.metrics())`
    """

    def __init__(self, count: Callable[[], Awaitable[Census]]) -> None:
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in the form that it asks for."""
        if scope["type"] != "http":
            raise ValueError(f"metrics answer http, not {scope['type']}")
        request = Request(scope)
        response = await self._answer(request) if request.method in ("GET", "HEAD") else _NOT_ALLOWED
        await response(scope, receive, send)

    def collect(self) -> Iterator[Metric]:
        """As a registry asks for it, in a thread that may block."""
        yield from _families(run_elsewhere(self._census))

    def describe(self) -> list[Metric]:
        """Nothing, so that registering asks no store."""
        return []

    async def _answer(self, request: Request) -> Response:
        registry = CollectorRegistry()
        registry.register(_Counted(await self._census()))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    async def _census(self) -> Census | None:
        try:
            return await self._count()
        except StoreUnavailable:
            return None


_NOT_ALLOWED = PlainTextResponse("a scrape is a GET", status_code=405, headers={"allow": "GET, HEAD"})


class _Counted:
    """One census, as a registry reads it."""

    def __init__(self, census: Census | None) -> None:
        self._census = census

    def collect(self) -> Iterator[Metric]:
        return _families(self._census)


def _families(census: Census | None) -> Iterator[Metric]:
    """Without a census, which the store did not give, only that."""
    yield GaugeMetricFamily("afterwards_store_up", "Whether the store has answered.", value=int(census is not None))
    if census is None:
        return
    tasks = {str(state): census.by_state.get(state, 0) for state in State}
    held = {str(hold): count for hold, count in census.held.items()}
    ages = {queue: (census.now - since).total_seconds() for queue, since in census.oldest_due.items()}
    yield _family("tasks", "Tasks in the store.", "state", tasks)
    yield _family("waiting_tasks", "Waiting tasks.", "queue", _summed(census.waiting_by_queue))
    yield _family("held_tasks", "Waiting tasks that something holds back.", "hold", held)
    yield GaugeMetricFamily("afterwards_due_tasks", "Waiting tasks that nothing holds back.", value=census.waiting_due)
    yield _family("oldest_due_seconds", "How long the first of them has been due.", "queue", _longest(ages))
    yield _family("workers", "Workers that are signed on.", "state", _workers(census))
    yield GaugeMetricFamily("afterwards_paused_queues", "Queues that are paused.", value=len(census.paused))


def _family(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"afterwards_{name}", says, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _workers(census: Census) -> dict[str, int]:
    states = Counter(
        "dead" if worker.expires < census.now else "leaving" if worker.leaving else "alive" for worker in census.workers
    )
    return {state: states[state] for state in ("alive", "leaving", "dead")}


def _summed(by_queue: Mapping[str, int]) -> dict[str, int]:
    """The largest, and the others in one."""
    largest = sorted(by_queue.items(), key=lambda item: (-item[1], item[0]))
    others = sum(count for _, count in largest[MOST_QUEUES:])
    return dict(largest[:MOST_QUEUES]) | ({OTHERS: others} if others else {})


def _longest(ages: Mapping[str, float]) -> dict[str, float]:
    """Those that wait for longest: what is left out waits for less."""
    longest = sorted(ages.items(), key=lambda item: (-item[1], item[0]))
    return dict(longest[:MOST_QUEUES])
