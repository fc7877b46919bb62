"""Whoever tries to make the dashboard do, or show, what he may not: he is refused, and nothing is done."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount

from afterwards import Afterwards, Retry, State, Task
from afterwards.schedules import Plan
from tests.doors.dashboards import PAGES, SAME, app_of, by_header, stored, token
from tests.doors.diary import fail

CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FORMS = ["tasks", "copy", "queues", "schedules"]


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def task(afterwards: Afterwards) -> Task:
    """A task that has failed, in a store with a schedule."""
    plan = Plan(name="sweep", function="main:sweep", line="every 3600 s")
    asyncio.run(afterwards.house.store.plan([plan], starting=True))
    return stored(afterwards, (fail, "a"))[0]


@pytest.fixture
def client(afterwards: Afterwards, task: Task) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, by_header), follow_redirects=False) as client:
        client.headers["may"] = "all"
        yield client


@pytest.fixture
def order(task: Task) -> dict[str, dict[str, str]]:
    """What each form of the pages would send, but the token."""
    return {
        "tasks": {"verb": "retry", "id": str(task.id)},
        "copy": {"id": str(task.id)},
        "queues": {"verb": "pause", "name": "mail"},
        "schedules": {"verb": "pause", "name": "sweep"},
    }


def assert_nothing_was_done(afterwards: Afterwards, task: Task) -> None:
    census = asyncio.run(afterwards.census())
    assert {state: count for state, count in census.by_state.items() if count} == {State.FAILED: 1}
    assert census.paused == ()
    assert asyncio.run(afterwards.get(task.id)) == task
    assert [schedule.paused for schedule in asyncio.run(afterwards.schedules.list())] == [False]


Order = dict[str, dict[str, str]]


@pytest.mark.parametrize("form", FORMS)
def test_its_own_page_is_obeyed(client: TestClient, order: Order, form: str):
    fields = {"token": token(client)} | order[form]
    assert client.post(f"/afterwards/act/{form}", data=fields, headers=SAME).status_code == 303


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        CROSS,
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver@evil.example"},
        {"Origin": "http://testserver:81"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
    ids=str,
)
def test_a_post_of_another_site_is_refused_though_it_has_the_token(
    client: TestClient, afterwards: Afterwards, task: Task, order: Order, form: str, headers: dict[str, str]
):
    fields = {"token": token(client)} | order[form]
    answer = client.post(f"/afterwards/act/{form}", data=fields, headers=headers)
    assert (answer.status_code, "another site" in answer.text) == (403, True)
    assert_nothing_was_done(afterwards, task)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", [None, "", "wrong", "ünsinn", "a" * 32, "another's"])
def test_a_post_without_the_right_token_is_refused(
    client: TestClient, afterwards: Afterwards, task: Task, order: Order, form: str, wrong: str | None
):
    right = token(client)
    fields = order[form] | ({} if wrong is None else {"token": wrong})
    answers = [client.post(f"/afterwards/act/{form}", data=fields, headers=SAME)]
    client.cookies.clear()  # a token in the form, and none in a cookie
    answers.append(client.post(f"/afterwards/act/{form}", data=order[form] | {"token": right}, headers=SAME))
    assert [(answer.status_code, "Load it again" in answer.text) for answer in answers] == [(403, True)] * 2
    assert_nothing_was_done(afterwards, task)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("may", ["read", ""])
def test_who_may_only_look_or_not_even_that_is_refused(
    client: TestClient, afterwards: Afterwards, task: Task, order: Order, form: str, may: str
):
    fields = {"token": token(client)} | order[form]
    client.headers["may"] = may
    assert client.post(f"/afterwards/act/{form}", data=fields, headers=SAME).status_code == 403
    assert_nothing_was_done(afterwards, task)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_no_other_method_does_anything(
    client: TestClient, afterwards: Afterwards, task: Task, order: Order, form: str, method: str
):
    fields = {"token": token(client)} | order[form]
    headers = SAME | {"X-HTTP-Method-Override": "POST"}
    answer = client.request(method, f"/afterwards/act/{form}", params=fields, headers=headers)
    assert answer.status_code == 405
    assert_nothing_was_done(afterwards, task)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_what_is_no_form_is_none(client: TestClient, afterwards: Afterwards, task: Task, order: Order, kind: str):
    body = json.dumps({"token": token(client)} | order["queues"])
    answer = client.post("/afterwards/act/queues", content=body, headers=SAME | {"Content-Type": kind})
    assert answer.status_code == 403
    assert_nothing_was_done(afterwards, task)


@pytest.mark.parametrize(
    "path",
    [
        "static/../desk.py",
        "static/%2e%2e/desk.py",
        "static/..%2fdesk.py",
        "static/%2e%2e%2f%2e%2e%2fapp.py",
        "static//etc/passwd",
        "static/",
        "static",
    ],
)
def test_no_other_file_is_served(client: TestClient, path: str):
    answer = client.get(f"/afterwards/{path}")
    assert answer.status_code in (307, 404)
    assert "import" not in answer.text


# What is in no page's form


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("live?task=nonsense", 400),
        ("live?task=", 400),
        ("tasks?after=nonsense", 200),
        ("tasks?q=added:0001-01-01T00:00:00%2B23:59", 200),
        ("tasks?q=added:999999w", 200),
        ("tasks/confirm", 400),
        ("tasks/confirm?verb=retry&id=nonsense", 400),
        ("?did=retry&n=9" + "9" * 5_000, 200),
        ("?did=retry&n=٣", 200),
        ("tasks?q=" + "a" * 20_000, 200),
        ("tasks?q=%00%ff%fe", 200),
    ],
)
def test_an_address_that_means_nothing_is_answered_in_words(client: TestClient, path: str, status: int):
    answer = client.get(f"/afterwards/{path}")
    assert answer.status_code == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "more",
    [
        {"until": "soon"},
        {"until": "2026-11-30T00:00:00"},
        {"until": "9999-12-31T23:59:59-23:00"},
        {"back": "//evil.example"},
        {"back": "../../act"},
    ],
)
def test_a_form_that_no_page_sends_does_no_harm(client: TestClient, order: Order, more: dict[str, str]):
    fields = {"token": token(client)} | order["tasks"] | more
    answer = client.post("/afterwards/act/tasks", data=fields, headers=SAME)
    assert answer.status_code in (303, 400)
    assert urlsplit(answer.headers.get("Location", "")).netloc == ""


# A forged prefix

FORGED = {
    "X-Forwarded-Prefix": "//evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Path": "//evil.example",
    "X-Original-URL": "//evil.example/",
    "X-Script-Name": "//evil.example",
    "Forwarded": "host=evil.example",
}
PLACES = re.compile(r'(?:href|src|action|data-live)="([^"#]+)')


def test_headers_that_forge_a_prefix_are_not_believed(client: TestClient, order: Order):
    for page in PAGES:
        answer = client.get(f"/afterwards/{page}", headers=FORGED)
        places = PLACES.findall(answer.text)
        assert places
        assert [place for place in places if not place.startswith("/afterwards/")] == [], page
    fields = {"token": token(client)} | order["queues"]
    answer = client.post("/afterwards/act/queues", data=fields, headers=SAME | FORGED)
    assert answer.headers["Location"] == "/afterwards/queues?did=pause"


@pytest.mark.parametrize(
    "root_path", ["//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "///evil.example/.."]
)
def test_a_root_path_leads_to_no_other_host(afterwards: Afterwards, root_path: str):
    app = Starlette(routes=[Mount("/", app=afterwards.dashboard(auth=lambda request: True))])
    with TestClient(app, root_path=root_path, follow_redirects=False) as client:
        text = client.get(f"{root_path}/").text if root_path.startswith("//") else client.get("/").text
    places = PLACES.findall(text)
    assert [place for place in places if re.match(r"/[/\\\s]|[^/]", place)] == []


@pytest.mark.parametrize(
    "tenant", ["a%3B%20Domain=example", "a%0D%0ASet-Cookie:%20b=1", "%2F%2Fevil.example", "%22%3E%3Cb%3E"]
)
def test_a_prefix_that_somebody_typed_forges_neither_cookie_nor_markup(afterwards: Afterwards, tenant: str):
    app = FastAPI()
    afterwards.install(app)
    app.router.routes.append(Mount("/{tenant}/ops", app=afterwards.dashboard(auth=lambda request: True)))
    with TestClient(app) as client:
        answer = client.get(f"/{tenant}/ops/")
    harmless = r"afterwards_token=[^;]*; Path=/[^;\s]*; HttpOnly; SameSite=Strict"
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie for cookie in cookies if not re.fullmatch(harmless, cookie)] == []
    assert "<b>" not in answer.text
    assert [place for place in PLACES.findall(answer.text) if place.startswith("//")] == []


def test_an_auth_that_fails_lets_nobody_in(afterwards: Afterwards, task: Task, order: Order):
    def broken(request: Any) -> bool:
        raise RuntimeError("the directory of users does not answer")

    with TestClient(app_of(afterwards, broken), raise_server_exceptions=False) as client:
        answers = [client.get(f"/afterwards/{page}") for page in PAGES]
        answers.append(client.post("/afterwards/act/queues", data=order["queues"], headers=SAME))
    assert {(answer.status_code, answer.text) for answer in answers} == {(500, "Internal Server Error")}
    assert_nothing_was_done(afterwards, task)
