"""The dashboard: what it shows, to whom, and what it lets whom do. Its looks are in test_dashboard_browser.py."""

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from afterwards import Afterwards, Retry, State, StoreUnavailable, Visitor, current_task
from afterwards.events import Steered
from afterwards.schedules import Plan
from afterwards.tallies import Tally
from afterwards.tasks import WorkerId
from tests.contract.builders import LEASE, a_card
from tests.doors.asgi import served
from tests.doors.dashboards import PAGES, SAME, act, app_of, by_header, stored, token
from tests.doors.diary import fail, note
from tests.doors.streams import stream

HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>\u202eevil\x00"


async def log_in(name: str, password: str, options: dict[str, str] | None = None) -> None:
    raise PermissionError(f"{name} may not log in with {password}")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards, lambda request: Visitor(name="ada")), follow_redirects=False) as client:
        yield client


# Closed by default


@pytest.mark.parametrize("page", [*PAGES, "live", "static/dashboard.css", "nonsense"])
def test_without_auth_it_is_closed_and_says_how_to_open_it(afterwards: Afterwards, page: str):
    with TestClient(app_of(afterwards)) as client:
        answer = client.get(f"/afterwards/{page}", headers={"host": "localhost"})
    assert answer.status_code == 403
    assert "afterwards.dashboard(auth=is_admin)" in answer.text
    assert "tasks.db" not in answer.text


@pytest.mark.parametrize(
    ("debug", "peer", "headers", "status"),
    [
        (True, "127.0.0.1", {"host": "localhost:8000"}, 200),
        (False, "127.0.0.1", {"host": "localhost:8000"}, 403),
        (True, "10.0.0.5", {"host": "localhost:8000"}, 403),
        (True, "127.0.0.1", {"host": "rebound.example"}, 403),
        (True, "127.0.0.1", {"host": "localhost", "x-forwarded-for": "127.0.0.1"}, 403),
    ],
)
def test_in_debug_mode_it_is_open_to_this_machine_alone(
    afterwards: Afterwards, debug: bool, peer: str, headers: dict[str, str], status: int
):
    with TestClient(app_of(afterwards, debug=debug), client=(peer, 5000)) as client:
        assert client.get("/afterwards/", headers=headers).status_code == status


@pytest.mark.parametrize("page", PAGES)
def test_with_auth_those_come_in_whom_it_lets_in(afterwards: Afterwards, page: str):
    with TestClient(app_of(afterwards, by_header, debug=True), client=("127.0.0.1", 1)) as client:
        assert client.get(f"/afterwards/{page}", headers={"host": "localhost"}).status_code == 403
        assert client.get(f"/afterwards/{page}", headers={"may": "all"}).status_code == 200


def test_auth_may_ask_for_a_password(afterwards: Afterwards):
    async def basic(request: Request) -> None:
        raise HTTPException(401, "Who are you?", {"WWW-Authenticate": "Basic"})

    with TestClient(app_of(afterwards, basic)) as client:
        answer = client.get("/afterwards/")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Basic")


def test_who_may_only_look_sees_no_button_and_changes_nothing(afterwards: Afterwards):
    (task,) = stored(afterwards, (fail, "a"))
    with TestClient(app_of(afterwards, by_header)) as client:
        client.headers["may"] = "read"
        pages = [client.get(f"/afterwards/{page}").text for page in [*PAGES[:-1], f"tasks/{task.id}"]]
        assert [page for page in pages if 'method="post"' in page] == []
        orders: list[tuple[str, dict[str, Any]]] = [
            ("tasks", {"verb": "retry", "id": str(task.id)}),
            ("queues", {"verb": "pause", "name": "default"}),
            ("schedules", {"verb": "pause", "name": "a"}),
        ]
        for path, fields in orders:
            assert act(client, path, **fields).status_code == 403
        assert "may look, and not change" in act(client, "queues", verb="pause", name="default").text
    assert asyncio.run(afterwards.get(task.id)).state is State.FAILED
    assert asyncio.run(afterwards.census()).paused == ()


# From its own pages only


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
def test_another_site_cannot_act_even_with_the_token(
    client: TestClient, afterwards: Afterwards, headers: Mapping[str, str]
):
    answer = act(client, "queues", headers, verb="pause", name="mail")
    assert (answer.status_code, "another site" in answer.text) == (403, True)
    assert asyncio.run(afterwards.census()).paused == ()


@pytest.mark.parametrize("wrong", ["", "wrong", "ünsinn"])
def test_without_the_token_nobody_can(client: TestClient, afterwards: Afterwards, wrong: str):
    token(client)
    fields = {"verb": "pause", "name": "mail", "token": wrong}
    assert client.post("/afterwards/act/queues", data=fields, headers=SAME).status_code == 403
    client.cookies.clear()
    assert client.post("/afterwards/act/queues", data=fields, headers=SAME).status_code == 403
    assert asyncio.run(afterwards.census()).paused == ()


@pytest.mark.parametrize("headers", [SAME, {"Origin": "http://testserver"}, {}])
def test_its_own_pages_can(client: TestClient, afterwards: Afterwards, headers: dict[str, str]):
    answer = act(client, "queues", headers, verb="pause", name="mail")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/afterwards/queues?did=pause")
    assert asyncio.run(afterwards.census()).paused == ("mail",)


def test_the_cookie_of_the_token_is_for_this_place_alone(client: TestClient):
    cookie = client.get("/afterwards/").headers["Set-Cookie"]
    assert re.fullmatch(r"afterwards_token=[\w-]+; Path=/afterwards; HttpOnly; SameSite=Strict", cookie)
    assert "Set-Cookie" not in client.get("/afterwards/").headers
    with TestClient(client.app, base_url="https://testserver") as safe:
        assert safe.get("/afterwards/").headers["Set-Cookie"].endswith("; Secure")


def test_a_form_that_is_too_large_is_refused(client: TestClient):
    assert act(client, "queues", verb="pause", name="x" * 1_100_000).status_code == 413


@pytest.mark.parametrize("page", PAGES)
def test_every_page_forbids_what_it_does_not_use(client: TestClient, page: str):
    answer = client.get(f"/afterwards/{page}")
    policy = answer.headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'self'; script-src 'nonce-")
    assert "unsafe" not in policy
    assert {"frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} <= set(policy.split("; "))
    assert all(f'nonce="{nonce}"' in tag for tag in re.findall(r"<(?:script|link rel=.stylesheet)[^>]*>", answer.text))
    assert not re.search(r"<script[^>]*>[^<]|\sstyle=|\son\w+=", answer.text), "nothing inline"
    assert not re.search(r"(?:src|href|action)=.(?:https?:)?//", answer.text), "no other host"
    assert nonce not in client.get(f"/afterwards/{page}").text
    assert answer.headers["Cache-Control"] == "no-store"


# What is shown


def test_hostile_content_is_shown_harmless(client: TestClient, afterwards: Afterwards):
    (task,) = stored(afterwards, (log_in, HOSTILE, "pw-123456", {HOSTILE: HOSTILE}))
    asyncio.run(afterwards.using(queue="<b>queue</b>").add(note, HOSTILE * 10_000))
    asyncio.run(
        afterwards.house.store.plan([Plan(name="<i>s</i>", function="<u>f</u>", line="every 9 s")], starting=True)
    )
    for page in [*PAGES, f"tasks/{task.id}", "tasks?q=" + HOSTILE.replace("\x00", "")]:
        text = client.get(f"/afterwards/{page}").text
        assert not re.search(r"<script>|<img src=x|<b>queue|<i>s<|<u>f|\u202e|\x00", text), page
        assert len(text) < 200_000, page


def test_secrets_are_hidden_in_arguments_and_errors_and_cannot_be_searched_for(
    client: TestClient, afterwards: Afterwards
):
    (task,) = stored(afterwards, (log_in, "ada", "pw-123456", {"token": "abcdefgh"}))
    for page in [*PAGES, f"tasks/{task.id}"]:
        text = client.get(f"/afterwards/{page}").text
        assert "pw-123456" not in text, page
        assert "abcdefgh" not in text, page
    assert "•••" in client.get(f"/afterwards/tasks/{task.id}").text
    assert "No task matches" in client.get("/afterwards/tasks?q=pw-123456").text
    assert str(task.id) in client.get("/afterwards/tasks?q=ada").text


def test_more_names_may_be_hidden(afterwards: Afterwards):
    (task,) = stored(afterwards, (note, "DE0212030000"))
    with TestClient(app_of(afterwards, lambda request: True, redact=["text"])) as client:
        assert "DE0212030000" not in client.get(f"/afterwards/tasks/{task.id}").text


def test_large_numbers_stay_as_they_are(client: TestClient, afterwards: Afterwards):
    number = 2**63 + 1
    (task,) = stored(afterwards, (count_to, number))
    assert str(number) in client.get(f"/afterwards/tasks/{task.id}").text


def count_to(number: int) -> None: ...


def test_empty_pages_say_what_to_do(client: TestClient):
    assert "add_task" in client.get("/afterwards/").text
    assert "add_task" in client.get("/afterwards/tasks").text
    assert "Nothing has failed" in client.get("/afterwards/errors").text
    assert "afterwards.every" in client.get("/afterwards/schedules").text


def test_without_a_worker_the_overview_says_what_is_stuck(afterwards: Afterwards):
    asyncio.run(afterwards.using(queue="mail").add(note, "a"))
    asyncio.run(afterwards.pause("mail"))
    app = Starlette(routes=[Mount("/", app=afterwards.dashboard(auth=lambda request: True))])
    text = TestClient(app).get("/").text
    assert "No worker is signed on" in text
    assert "The queue mail is paused, and 1 task waits there." in text


def test_it_says_how_late_event_loops_are_and_who_was_believed_dead(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False)

    async def three_workers() -> None:
        async with afterwards.opened():
            for name, vitals in {"slow": {"lag": 2_300_000, "lost_leases": 7}, "quick": {"lag": 4_000}}.items():
                await afterwards.house.store.sign_on(a_card(name, label=f"{name} host"))
                tally = Tally(vitals=vitals)
                await afterwards.house.store.renew(WorkerId(name), lease=LEASE, tally=tally)
            await afterwards.house.store.sign_on(a_card("silent"))

    asyncio.run(three_workers())
    client = TestClient(Starlette(routes=[Mount("/", app=afterwards.dashboard(auth=lambda request: True))]))
    overview = client.get("/").text
    assert "The event loop of slow host was 2.3 s late" in overview
    assert "quick host" not in overview
    rows = re.findall(r'<tr><th scope="row" title="(\w+)">.*?</tr>', client.get("/workers").text, re.DOTALL)
    assert rows == ["slow", "quick", "silent"]
    told = re.sub(r"<[^>]+>|\s+", " ", client.get("/workers").text)
    assert re.search(r"slow host .* 2.3 s +7 +works", told)
    assert re.search(r"quick host .* 4 ms +0 +works", told)
    assert re.search(r"label .* – +– +works", told)


def test_a_queue_says_how_far_its_workers_are_behind(afterwards: Afterwards):
    asyncio.run(afterwards.using(queue="mail").add(note, "a"))
    text = (
        TestClient(Starlette(routes=[Mount("/", app=afterwards.dashboard(auth=lambda request: True))]))
        .get("/queues")
        .text
    )
    assert re.search(r'the first has been due since 20\d\d-\d\d-\d\d .* UTC">\d+(\.\d)? m?s<', text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["fail", "note", "log_in"]),
        ("state:failed", ["fail", "log_in"]),
        ("state:failed error:PermissionError", ["log_in"]),
        ("error:PermissionError", ["log_in"]),
        ("error:Permission", []),
        ("permission", ["log_in"]),
        ("state:failed added:1h", ["fail", "log_in"]),
        ("error:PermissionError added:2020-01-01 may not", ["log_in"]),
        ("key:k1", []),
        ("function:note", ["note"]),
        ("function:tests.doors.diary:note", ["note"]),
        ("queue:default hello", ["note"]),
        ("queue:other", []),
        ("added:1h state:done", ["note"]),
        ("added:2020-01-01 may not", ["log_in"]),
        ("unbalanced ' quote", []),
    ],
)
def test_tasks_are_found(client: TestClient, afterwards: Afterwards, query: str, expected: list[str]):
    stored(afterwards, (fail, "x"), (note, "hello"), (log_in, "ada", "pw-1"))
    text = client.get("/afterwards/tasks", params={"q": query}).text
    shown = re.findall(r'<th scope="row"><a href="[^"]*" title="[^"]*">(\w+)<', text)
    assert sorted(shown) == sorted(expected)


def test_a_key_is_found_whole_but_not_what_is_hidden_in_it(client: TestClient, afterwards: Afterwards):
    for key in ("order 7", "order 77", "token=abc-1"):
        asyncio.run(afterwards.using(key=key, delay=60).add(note, key))
    for query, found in {
        'key:"order 7"': 1,
        "key:order": 0,
        "key:token=abc-1": 0,
        "key:order state:waiting": 0,
    }.items():
        text = client.get("/afterwards/tasks", params={"q": query}).text
        assert len(re.findall(r'id="t-[\w-]+"', text)) == found, query
        page = client.get("/afterwards/tasks/confirm", params={"verb": "cancel", "all": "1", "q": query}).text
        assert ("Cancel 1 task?" in page) == bool(found), query


@pytest.mark.parametrize(
    ("query", "word"),
    [("state:sleeping", "there is no state"), ("id:7", "no task&#39;s id"), ("added:soon", "how long ago")],
)
def test_what_cannot_be_looked_for_is_said(client: TestClient, query: str, word: str):
    answer = client.get("/afterwards/tasks", params={"q": query})
    assert (answer.status_code, word in answer.text) == (200, True)


@pytest.mark.parametrize("query", ["", "te"])
def test_pages_go_on_where_the_one_before_ended(client: TestClient, afterwards: Afterwards, query: str):
    stored(afterwards, *[(note, f"text {number}") for number in range(60)])
    first = client.get("/afterwards/tasks", params={"q": query}).text
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = client.get(older.replace("&amp;", "&")).text
    ids = [re.findall(r'id="t-([\w-]+)"', text) for text in (first, second)]
    assert [len(some) for some in ids] == [50, 10]
    assert not set(ids[0]) & set(ids[1])
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("path", "status"),
    [("tasks/00000000-0000-0000-0000-000000000007", 404), ("nonsense", 404), ("tasks/confirm?verb=eat", 400)],
)
def test_what_is_not_there_is_said_on_a_page(client: TestClient, path: str, status: int):
    answer = client.get(f"/afterwards/{path}")
    assert answer.status_code == status
    assert "To the overview" in answer.text


def test_a_store_that_is_away_is_said_on_a_page(
    client: TestClient, afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    async def away(*args: object, **more: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(afterwards.house.store, "census", away)
    answer = client.get("/afterwards/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The store is away" in answer.text


# What people do


def test_one_task_is_retried_and_cancelled_and_it_is_said_who_did(client: TestClient, afterwards: Afterwards):
    said: list[Steered] = []
    afterwards.hear(said.append, Steered)  # type: ignore[arg-type]  # it hears no other kind
    asyncio.run(afterwards.pause("default"))
    task_id = str(asyncio.run(afterwards.add(note, "a")).id)
    answer = act(client, "tasks", verb="cancel", id=task_id, back=task_id)
    assert answer.headers["Location"] == f"/afterwards/tasks/{task_id}?did=cancel&n=1"
    assert "1 task cancelled" in client.get(answer.headers["Location"]).text
    assert (
        "1 task will run again" in client.get(act(client, "tasks", verb="retry", id=task_id).headers["Location"]).text
    )
    assert said == [
        Steered(verb="cancel", subjects=(task_id,), by="ada"),
        Steered(verb="retry", subjects=(task_id,), by="ada"),
    ]


def test_all_that_match_are_counted_before_and_those_alone_are_changed(client: TestClient, afterwards: Afterwards):
    asyncio.run(afterwards.pause("default"))
    stored(afterwards, *[(note, f"old {number}") for number in range(30)], (note, "other"))
    page = client.get("/afterwards/tasks/confirm?verb=cancel&all=1&q=old").text
    assert "Cancel 30 tasks?" in page
    assert "and 20 more" in page
    fields = dict(re.findall(r'<input type="hidden" name="(all|q|until)" value="([^"]*)"', page))
    stored(afterwards, (note, "old, but new"))
    answer = act(client, "tasks", verb="cancel", **fields)
    assert answer.headers["Location"] == "/afterwards/tasks?q=old&did=cancel&n=30"
    assert asyncio.run(afterwards.census()).by_state[State.CANCELLED] == 30


def test_all_of_one_error_are_retried_however_many_there_are_of_others(client: TestClient, afterwards: Afterwards):
    stored(afterwards, *[(fail, f"{number}") for number in range(12)], *[(log_in, "ada", "pw") for _ in range(3)])
    asyncio.run(afterwards.pause("default"))
    (link,) = re.findall(r'href="([^"]*error%3APermissionError)">Retry all', client.get("/afterwards/errors").text)
    page = client.get(link.replace("&amp;", "&")).text
    assert "Retry 3 tasks?" in page
    fields = dict(re.findall(r'<input type="hidden" name="(all|q|until)" value="([^"]*)"', page))
    assert act(client, "tasks", verb="retry", **fields).headers["Location"].endswith("did=retry&n=3")
    assert asyncio.run(afterwards.census()).by_state[State.WAITING] == 3


def test_some_are_selected(client: TestClient, afterwards: Afterwards):
    tasks = stored(afterwards, (fail, "a"), (fail, "b"), (note, "c"))
    chosen = [str(tasks[0].id), str(tasks[2].id)]
    page = client.get("/afterwards/tasks/confirm", params={"verb": "retry", "id": chosen}).text
    assert "Retry 2 tasks?" in page
    asyncio.run(afterwards.pause("default"))
    act(client, "tasks", verb="retry", id=chosen)
    assert asyncio.run(afterwards.census()).by_state[State.WAITING] == 2


def test_nothing_selected_changes_nothing(client: TestClient, afterwards: Afterwards):
    stored(afterwards, (fail, "a"))
    assert "Nothing to retry" in client.get("/afterwards/tasks/confirm?verb=retry").text
    assert act(client, "tasks", verb="retry").headers["Location"] == "/afterwards/tasks?did=retry&n=0"
    assert asyncio.run(afterwards.census()).by_state[State.FAILED] == 1


def test_schedules_are_paused_resumed_and_run(client: TestClient, afterwards: Afterwards):
    plan = Plan(name="sweep", function="main:sweep", line="every 3600 s")
    asyncio.run(afterwards.house.store.plan([plan], starting=True))
    assert "every 3600 s" in client.get("/afterwards/schedules").text
    act(client, "schedules", verb="pause", name="sweep")
    assert asyncio.run(afterwards.schedules.list())[0].paused
    act(client, "schedules", verb="run", name="sweep")
    act(client, "schedules", verb="resume", name="sweep")
    (schedule,) = asyncio.run(afterwards.schedules.list())
    assert (schedule.paused, schedule.asked) == (False, True)
    assert act(client, "schedules", verb="pause", name="nobody").status_code == 404
    assert act(client, "schedules", verb="explode", name="sweep").status_code == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("queues", {"verb": "drop", "name": "a"}),
        ("queues", {"verb": "pause", "name": ""}),
        ("tasks", {"verb": "explode"}),
        ("tasks", {"verb": "retry", "id": "seven"}),
        ("tasks", {"verb": "retry", "all": "1", "q": "state:asleep"}),
    ],
)
def test_an_order_that_means_nothing_is_refused(client: TestClient, path: str, fields: dict[str, Any]):
    assert act(client, path, **fields).status_code == 400


# Wherever it is mounted


@pytest.mark.parametrize(("mount", "root_path"), [("/afterwards", "/shop"), ("/a/b", ""), ("/ops", "/x/y")])
def test_links_stay_under_the_prefix(afterwards: Afterwards, mount: str, root_path: str):
    app = FastAPI()
    afterwards.install(app)
    app.mount(mount, afterwards.dashboard(auth=lambda request: True))
    prefix = root_path + mount
    with TestClient(app, root_path=root_path, follow_redirects=False) as client:  # a server puts it before the path
        text = client.get(f"{prefix}/tasks").text
        places = re.findall(r'(?:href|src|action|data-live)="(/[^"#]*)', text)
        assert places
        assert [place for place in places if not place.startswith(f"{prefix}/")] == []
        fields = {"token": client.cookies["afterwards_token"], "verb": "pause", "name": "a"}
        answer = client.post(f"{prefix}/act/queues", data=fields, headers=SAME)
        assert answer.headers["Location"] == f"{prefix}/queues?did=pause"


def test_a_forged_prefix_leads_to_no_other_host(afterwards: Afterwards):
    with TestClient(app_of(afterwards, lambda request: True), root_path="//evil.example") as client:
        text = client.get("//evil.example/afterwards/", headers={"X-Forwarded-Prefix": "//evil.example"}).text
    assert "dashboard.css" in text
    assert not re.search(r'="//', text)


# As it happens


def test_open_pages_are_told_of_changes_by_one_look_for_all(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("afterwards.dashboard.pulse.PAUSE", 0.05)
    app = app_of(afterwards, lambda request: True)
    asyncio.run(afterwards.pause("mail"))
    task_id = asyncio.run(afterwards.using(queue="mail").add(note, "a")).id
    with (
        served(app) as address,
        stream(address, "/afterwards/live") as first,
        stream(address, "/afterwards/live") as second,
        stream(address, f"/afterwards/live?task={task_id}") as of_task,
    ):
        assert next(first).comment == next(second).comment == next(of_task).comment == "still here"
        asyncio.run(changes(afterwards))
        assert {next(one).name for one in (first, second, of_task)} == {"changed"}


async def changes(afterwards: Afterwards) -> None:
    await asyncio.sleep(0.5)  # each stream must have had its first look, which nobody outside can see
    await afterwards.resume("mail")


def test_open_pages_are_told_when_an_event_loop_is_late(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("afterwards.dashboard.pulse.PAUSE", 0.05)
    asyncio.run(afterwards.house.store.sign_on(a_card("slow")))
    with served(app_of(afterwards, lambda request: True)) as address, stream(address, "/afterwards/live") as page:
        assert next(page).comment == "still here"
        asyncio.run(becomes_late(afterwards))
        assert next(page).name == "changed"


async def becomes_late(afterwards: Afterwards) -> None:
    await asyncio.sleep(0.5)  # as above
    tally = Tally(vitals={"lag": 5_000_000})
    await afterwards.house.store.renew(WorkerId("slow"), lease=LEASE, tally=tally)


def test_an_auth_that_is_no_function_is_refused(afterwards: Afterwards):
    with pytest.raises(ValueError, match="auth takes a function"):
        afterwards.dashboard(auth=True)  # type: ignore[arg-type]  # as somebody may do


def tell_much(hostile: str) -> dict[str, str]:
    current_task().progress(3, of=4, say=hostile)
    logging.getLogger("mine").warning("%s password=swordfish", hostile)
    return {"password": "swordfish", "said": hostile}


def test_progress_result_and_logs_are_shown_harmless_and_without_secrets(client: TestClient, afterwards: Afterwards):
    afterwards.task(keep_result=True, keep_logs=True)(tell_much)
    [task] = stored(afterwards, (tell_much, HOSTILE.replace("\0", "")))
    page = client.get(f"/afterwards/tasks/{task.id}").text
    assert "Result" in page
    assert re.search(
        r'<li class="grave"><time [^>]*>[\d:.]+</time> <b>WARNING</b> <span class="soft">mine</span>', page
    )
    assert "<script>alert" not in page
    assert "swordfish" not in page
    assert "<img src=x" not in page
