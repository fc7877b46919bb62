"""The status router: what a front end is told about a task, at once and as it changes."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from afterwards import Afterwards, BackgroundTasks, NotInstalled, Retry, State, Visitor
from afterwards.events import Steered
from afterwards.status import desk
from tests.doors.asgi import served
from tests.doors.diary import PATIENCE, diary, gate, note, wait_at_the_gate
from tests.doors.streams import stream


def fail_with(password: str) -> None:
    raise ValueError(f"no user has the password {password}")


@pytest.fixture
def afterwards(tmp_path: Path) -> Afterwards:
    return Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", retry=Retry.never)


def app_of(afterwards: Afterwards, auth: Any = None) -> FastAPI:
    app = FastAPI()
    afterwards.install(app)
    app.include_router(afterwards.status_router(auth=auth), prefix="/tasks")

    @app.post("/begin/{text}")
    async def work(text: str, tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(wait_at_the_gate, text))

    @app.post("/login")
    async def login(tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(fail_with, "hunter2!"))

    return app


@pytest.fixture
def client(afterwards: Afterwards) -> Iterator[TestClient]:
    with TestClient(app_of(afterwards)) as client:
        yield client


def by_header(request: Request) -> str | None:
    return request.headers.get("may")


def ended(client: TestClient, place: str, **headers: str) -> dict[str, Any]:
    """The status once the task has ended."""
    for _ in range(int(PATIENCE * 100)):
        found = client.get(place, headers=headers).json()
        if State(found["state"]).ended:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{place} has not ended")


def in_app(client: TestClient, function: Any, *args: Any) -> Any:
    """Calls it in the app's own event loop."""
    assert client.portal is not None
    return client.portal.call(function, *args)


# One look


def test_whoever_knows_the_id_is_told_how_far_the_task_is_and_nothing_else(client: TestClient):
    answer = client.post("/login")
    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) > 0
    task_id = answer.json()["task_id"]
    assert answer.headers["Location"] == f"/tasks/{task_id}"
    assert ended(client, answer.headers["Location"]) == {
        "id": task_id,
        "state": "failed",
        "attempt": 1,
        "progress": None,
    }
    assert client.get(f"/tasks/{task_id}").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("place", "status"), [(f"/tasks/{UUID(int=7)}", 404), ("/tasks/nonsense", 422)])
@pytest.mark.parametrize("part", ["", "/events"])
def test_a_task_that_is_not_there_is_not_found(client: TestClient, place: str, part: str, status: int):
    assert client.get(place + part).status_code == status


def test_without_auth_nothing_can_be_cancelled(client: TestClient):
    place = client.post("/begin/a").headers["Location"]
    assert client.delete(place).status_code == 405
    gate.set()
    assert ended(client, place)["state"] == "done"


def test_with_auth_readers_see_more_but_no_secret_and_others_nothing(afterwards: Afterwards):
    with TestClient(app_of(afterwards, by_header)) as client:
        place = client.post("/login").headers["Location"]
        found = ended(client, place, may="read")
        assert found["error"]["kind"] == "ValueError"
        assert "hunter2" not in str(found)
        assert {"name", "queue", "added", "due", "started", "ended", "result"} < set(found)
        assert (client.get(place).status_code, client.get(f"{place}/events").status_code) == (403, 403)


def test_who_may_do_all_cancels_and_it_is_said_who_did(afterwards: Afterwards, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "afterwards")
    said: list[Steered] = []
    afterwards.hear(said.append, Steered)  # type: ignore[arg-type]  # it hears no other kind
    with TestClient(app_of(afterwards, lambda request: Visitor(may=request.headers["may"], name="ada"))) as client:
        client.post("/begin/first")
        diary.wait_for("first waits")
        place = client.post("/begin/second").headers["Location"]
        assert client.delete(place, headers={"may": "read"}).status_code == 403
        answer = client.delete(place, headers={"may": "all"})
        assert answer.status_code == 200
        assert client.delete(f"/tasks/{UUID(int=7)}", headers={"may": "all"}).status_code == 404
        gate.set()
        ended(client, place, may="read")
        assert client.delete(place, headers={"may": "all"}).json()["state"] in ("cancelled", "done")
    task_id = place.rpartition("/")[2]
    assert said == [Steered(verb="cancel", subjects=(task_id,), by="ada")]
    assert f"cancel: {task_id}, by ada" in caplog.text


@pytest.mark.parametrize("auth", ["all", True, 1])
def test_what_is_no_function_is_refused(afterwards: Afterwards, auth: Any):
    with pytest.raises(ValueError, match="auth takes a function"):
        afterwards.status_router(auth=auth)


# The stream


def test_the_stream_tells_each_change_and_ends_with_the_task(afterwards: Afterwards):
    with served(app_of(afterwards)) as address, TestClient(app_of(afterwards)) as client:
        in_app(client, afterwards.pause, "default")
        place = client.post("/begin/a").headers["Location"]
        gate.set()
        with stream(address, f"{place}/events") as events:
            assert events.headers["Content-Type"].startswith("text/event-stream")
            assert next(events).data["state"] == "waiting"
            in_app(client, afterwards.resume, "default")
            *_, last = list(events)
        assert (last.name, last.data["state"], last.data["attempt"]) == ("task", "done", 1)
        with stream(address, f"{place}/events") as again:
            assert [event.data["state"] for event in again] == ["done"]
        with stream(address, f"{place}/events", Last_Event_ID=last.id) as over:
            assert over.status == 204, "so that a browser does not ask again"


def test_who_has_seen_the_present_is_told_of_changes_only(afterwards: Afterwards):
    with served(app_of(afterwards)) as address, TestClient(app_of(afterwards)) as client:
        place = client.post("/begin/a").headers["Location"]
        diary.wait_for("a waits")
        with stream(address, f"{place}/events") as events:
            seen = next(events)
        with stream(address, f"{place}/events", Last_Event_ID=seen.id) as events:
            gate.set()
            assert next(events).data["state"] == "done"


def test_a_silent_stream_beats_and_a_client_that_goes_is_noticed(
    afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk, "HEARTBEAT", 0.0)
    with served(app_of(afterwards)) as address, TestClient(app_of(afterwards)) as client:
        place = client.post("/begin/a").headers["Location"]
        with stream(address, f"{place}/events") as events:
            assert any(event.comment == "still here" for event in events)
            assert afterwards.house.watcher.watched == 1
        for _ in range(int(PATIENCE * 100)):
            if not afterwards.house.watcher.watched:
                break
            time.sleep(0.01)
        assert afterwards.house.watcher.watched == 0
        gate.set()


def test_a_stream_ends_when_the_server_is_told_to_stop(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch):
    with served(app_of(afterwards)) as address, TestClient(app_of(afterwards)) as client:
        place = client.post("/begin/a").headers["Location"]
        with stream(address, f"{place}/events") as events:
            next(events)
            monkeypatch.setattr(desk, "server_is_leaving", lambda: True)
            assert {event.name for event in events} <= {"task"}
        gate.set()


def test_a_task_that_is_pruned_while_it_is_watched_ends_its_stream(afterwards: Afterwards):
    with served(app_of(afterwards)) as address, TestClient(app_of(afterwards)) as client:
        in_app(client, afterwards.pause, "default")
        answer = client.post("/begin/a")
        with stream(address, f"{answer.headers['Location']}/events") as events:
            next(events)
            in_app(client, afterwards.house.store.forget, [UUID(answer.json()["task_id"])])
            assert list(events) == []


# Where it is


def test_the_location_has_the_prefix_under_which_the_app_is_served(afterwards: Afterwards):
    with TestClient(app_of(afterwards), root_path="/shop") as client:
        answer = client.post("/login")
        assert answer.headers["Location"] == f"/shop/tasks/{answer.json()['task_id']}"


def test_an_endpoint_of_a_mounted_app_finds_the_router_of_the_outer_one(afterwards: Afterwards):
    outer, inner = app_of(afterwards), FastAPI()
    outer.mount("/inner", inner)

    @inner.post("/note")
    async def endpoint(tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(note, "inner"))

    with TestClient(outer) as client:
        answer = client.post("/inner/note")
        assert answer.headers["Location"] == f"/tasks/{answer.json()['task_id']}"
        assert client.get(answer.headers["Location"]).status_code == 200


def test_without_a_router_the_endpoint_is_told_what_to_do_and_nothing_is_stored(afterwards: Afterwards):
    app = FastAPI()
    afterwards.install(app)

    @app.post("/")
    async def endpoint(tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(note, "never"))

    with TestClient(app) as client:
        with pytest.raises(NotInstalled, match="status_router"):
            client.post("/")
        assert in_app(client, afterwards.find) == []


def test_a_location_of_ones_own_needs_no_router(afterwards: Afterwards):
    app = FastAPI()
    afterwards.install(app)

    @app.post("/")
    async def endpoint(tasks: BackgroundTasks):
        return afterwards.accepted(tasks.add_task(note, "it"), location="/progress/7")

    with TestClient(app) as client:
        assert client.post("/").headers["Location"] == "/progress/7"


def not_a_number() -> list[float]:
    return [float("nan"), float("-inf"), 1.5]


def test_a_result_that_json_has_no_number_for_is_null(afterwards: Afterwards):
    with TestClient(app_of(afterwards, lambda request: "read")) as client:
        task = afterwards.using(keep_result=True).add_sync(not_a_number)
        place = f"/tasks/{task.id}"
        assert ended(client, place)["result"] == [None, None, 1.5]
        assert '"result":[null,null,1.5]' in client.get(f"{place}/events").text


def test_accepted_takes_a_handle(afterwards: Afterwards):
    app_of(afterwards)
    with pytest.raises(ValueError, match="what add_task returned"):
        afterwards.accepted("an id")  # type: ignore[arg-type]  # as somebody may do


def test_the_script_is_small_and_served_with_the_router(client: TestClient):
    answer = client.get("/tasks/afterwards.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "export function watch" in answer.text
    assert len(answer.content) <= 2048


def test_the_routes_stand_in_the_docs_of_the_app(client: TestClient):
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: list(verbs) for path, verbs in paths.items() if path.startswith("/tasks")} == {
        "/tasks/{task_id}": ["get"],
        "/tasks/{task_id}/events": ["get"],
    }


def test_without_fastapi_the_router_is_one_of_starlette(afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("afterwards.status.routes.find_spec", lambda name: None)
    app = Starlette(routes=[Mount("/tasks", app=afterwards.status_router(auth=lambda request: True))])
    afterwards.install(app)
    with TestClient(app) as client:
        handle = in_app(client, afterwards.add, note, "it")
        assert ended(client, f"/tasks/{handle.id}")["name"].endswith("diary:note")
        assert client.delete(f"/tasks/{handle.id}").json()["state"] == "done"
        assert client.get(f"/tasks/{handle.id}/events").text.count("event: task") == 1
        assert client.get("/tasks/afterwards.js").status_code == 200


def test_an_open_stream_does_not_keep_a_server_from_stopping(tmp_path: Path):
    """The real thing: uvicorn waits for every response before it ends the lifespan, and so the worker."""
    (tmp_path / "main.py").write_text(SERVER, encoding="utf-8")
    with process(tmp_path) as (server, address):
        with stream(address, "/add") as added:
            assert added.status == 202
            place = added.headers["Location"]
        with stream(address, f"{place}/events") as events:
            next(events)
            server.send_signal(signal.SIGTERM)
            list(events)
        assert server.wait(PATIENCE) in (0, -signal.SIGTERM)


SERVER = """
import socket
import uvicorn
from fastapi import FastAPI
from afterwards import Afterwards, BackgroundTasks

app = FastAPI()
afterwards = Afterwards(app, worker=False)
app.include_router(afterwards.status_router(), prefix="/tasks")


def nothing() -> None: ...


@app.get("/add")
async def add(tasks: BackgroundTasks):
    return afterwards.accepted(tasks.add_task(nothing))


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.run(app, fd=listener.fileno(), log_level="error")
"""


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    command = [sys.executable, "main.py"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, ("127.0.0.1", int(server.stdout.readline()))
        finally:
            server.kill()
