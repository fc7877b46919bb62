"""URLs whose server is there and will never do as they ask: refused at the start, in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest

from afterwards.errors import StoreUnavailable, StoreUnusable
from afterwards.stores import examine, store_for
from tests import databases
from tests.contract.builders import a_call

PATIENCE = timedelta(seconds=5)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return databases.new(request)


@pytest.mark.parametrize(
    "option", ["connect_timeout=3", "channel_binding=require", "statement_timeout=-7", "sslmode=sometimes"]
)
async def test_an_option_that_nobody_knows_is_refused_at_the_start(url: str, option: str):
    store = store_for(f"{url}?{option}", add_timeout=PATIENCE)
    with pytest.raises(StoreUnusable, match="leave out of the URL"):
        await store.open()
    assert "leave out of the URL" in examine(f"{url}?{option}").unreadable
    await store.close()


async def a_packet(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(4), "big")
    return await reader.readexactly(length - 4)


@asynccontextmanager
async def a_pooler() -> AsyncIterator[str]:
    """What answers to settings as PgBouncer does: https://www.pgbouncer.org/config.html, ignore_startup_parameters."""
    asks_for_tls, says = (80877103).to_bytes(4, "big"), b"SFATAL\0C08P01\0M%s\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (packet := await a_packet(reader))[:4] == asks_for_tls:
            writer.write(b"N")
        words = packet[4:].rstrip(b"\0").split(b"\0")
        settings = set(words[::2]) - {b"user", b"database", b"client_encoding", b"application_name"}
        reason = b"unsupported startup parameter: " + min(settings) if settings else b"too many clients"
        body = says % reason
        writer.write(b"E" + (len(body) + 4).to_bytes(4, "big") + body)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield f"postgresql://ann@127.0.0.1:{server.sockets[0].getsockname()[1]}/shop"


async def test_a_pooler_that_was_not_named_is_told_of():
    async with a_pooler() as way:
        store = store_for(way, add_timeout=PATIENCE)
        with pytest.raises(StoreUnusable, match="add pooled=true to the URL"):
            await store.open()
        await store.close()


async def test_a_pooled_store_sends_no_settings_that_a_pooler_refuses():
    async with a_pooler() as way:
        store = store_for(f"{way}?pooled=true", add_timeout=timedelta(seconds=0.5))
        with pytest.raises(StoreUnavailable, match="too many clients"):
            await store.open()
        await store.close()


async def test_what_takes_longer_than_the_server_allows_is_told_as_that(url: str):
    store = store_for(f"{url}?statement_timeout=50", add_timeout=timedelta(seconds=0.5))
    await store.open()
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE afterwards_tasks IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match=r"took too long .*statement_timeout"):
            await store.add([a_call()])
    await store.close()
