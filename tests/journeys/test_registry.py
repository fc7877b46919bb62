"""Registrations that are committed get one mail each, and no other does, however often the process is killed."""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial

import httpx2
import psycopg
import pytest
from psycopg import sql

from tests.journeys.harness import Journey, Server, until

TABLES = ("CREATE TABLE registrations (number INTEGER PRIMARY KEY)", "CREATE TABLE mails (number INTEGER)")
ENDINGS = ["commit"] * 6 + ["savepoint"] + ["rollback"] * 2 + ["raise"]  # three of ten leave nothing
APP = "registry:app"

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, journey: Journey) -> Journey:
    """A database with the user's tables."""
    if request.param == "postgres":
        server: str = request.getfixturevalue("postgres_url")
        name = f"registry_{next(_numbers)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        journey.store = f"{server.rpartition('/')[0]}/{name}"
    for table in TABLES:
        rows(journey, table)
    return journey


def rows(journey: Journey, statement: str) -> Sequence[tuple[int, ...]]:
    """What a statement brings, on a connection of its own."""
    if journey.url.startswith("sqlite"):
        with closing(sqlite3.connect(journey.url.removeprefix("sqlite:///"), timeout=20)) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(journey.url) as other:
        cursor = other.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def numbers(journey: Journey, table: str) -> Counter[int]:
    return Counter(number for (number,) in rows(journey, f"SELECT number FROM {table}"))


def post(server: Server, numbers: Sequence[int], answered: list[int]) -> None:
    with server.client() as client:
        for number in numbers:
            try:
                client.post(f"/{number}", params={"ending": ENDINGS[number % 10]})
            except httpx2.HTTPError:
                return  # the server is gone, and whether that one was committed is for the database to say
            answered.append(number)


def register_and_kill(journey: Journey, *, registrations: int, kills: int, rnd: random.Random) -> None:
    left, answered = list(range(registrations)), list[int]()
    for kill in range(kills + 1):
        server, before = journey.serve(app=APP), len(answered)
        share = left if kill == kills else left[: len(left) // 2]
        posting = [threading.Thread(target=post, args=(server, share[i::4], answered)) for i in range(4)]
        for thread in posting:
            thread.start()
        if kill < kills:
            until(partial(has_grown, answered, before + len(share) // 2), "half of them are answered")
            time.sleep(rnd.uniform(0, 0.05))  # a random moment is what is tested here, not waited for
            server.kill()
        for thread in posting:
            thread.join()
        known = numbers(journey, "registrations")
        left = [number for number in left if number not in answered and number not in known]
    until(lambda: journey.unfinished() == 0, "every mail is sent", timeout=90)
    kept, mails = numbers(journey, "registrations"), numbers(journey, "mails")
    assert mails == kept, "one mail for each registration that was kept, and no other"
    assert {number for number in answered if ENDINGS[number % 10] in ("commit", "savepoint")} <= set(kept)
    assert {number % 10 for number in kept} == {0, 1, 2, 3, 4, 5, 6}, "what was rolled back is not there"
    assert max(kept) < registrations, "what was written in a savepoint that was rolled back is not there"


def has_grown(answered: list[int], enough: int) -> bool:
    return len(answered) >= enough


def test_mails_sent_are_registrations_kept(registry: Journey) -> None:
    register_and_kill(registry, registrations=100, kills=2, rnd=random.Random(3))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_thousand_registrations_and_ten_kills(registry: Journey) -> None:
    register_and_kill(registry, registrations=1000, kills=10, rnd=random.Random(4))
