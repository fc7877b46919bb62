"""Metrics for Prometheus, read from the store: any one process tells of all. Counts nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from afterwards.elsewhere import run_elsewhere
from afterwards.errors import StoreUnavailable
from afterwards.exposition import Seen, families
from afterwards.tallies import Tally
from afterwards.tasks import Census, WorkerId


class Metrics:
    """An ASGI app that answers a scrape, and a collector for a registry of your own.

    Example:
        `app.mount("/metrics", afterwards.metrics())`, or `REGISTRY.register(afterwards.metrics())`
    """

    def __init__(
        self,
        count: Callable[[], Awaitable[Census]],
        tallies: Callable[[], Awaitable[Mapping[WorkerId, Tally]]],
    ) -> None:
        self._count = count
        self._tallies = tallies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in the form that it asks for."""
        if scope["type"] != "http":
            raise ValueError(f"metrics answer http, not {scope['type']}")
        request = Request(scope)
        response = await self._answer(request) if request.method in ("GET", "HEAD") else _NOT_ALLOWED
        await response(scope, receive, send)

    def collect(self) -> Iterator[Metric]:
        """As a registry asks for it, in a thread that may block."""
        yield from families(run_elsewhere(self._look))

    def describe(self) -> list[Metric]:
        """Nothing, so that registering asks no store."""
        return []

    async def _answer(self, request: Request) -> Response:
        registry = CollectorRegistry()
        registry.register(_Look(await self._look()))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    async def _look(self) -> Seen | None:
        try:
            return Seen(census=await self._count(), tallies=await self._tallies())
        except StoreUnavailable:
            return None


_NOT_ALLOWED = PlainTextResponse("a scrape is a GET", status_code=405, headers={"allow": "GET, HEAD"})


class _Look:
    """One look at the store, as a registry reads it."""

    def __init__(self, seen: Seen | None) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        return families(self._seen)
