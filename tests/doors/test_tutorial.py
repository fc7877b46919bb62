"""FastAPI's own examples of background tasks behave as its tutorial says; and the schema shows nothing of ours.

They are those of https://fastapi.tiangolo.com/tutorial/background-tasks/, and a line each to wait for.
"""

from pathlib import Path
from typing import Annotated

import fastapi
import pytest
from fastapi import Depends, FastAPI

from tests.doors import imported
from tests.doors.diary import diary
from tests.doors.ways import Way


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "log.txt"


def write_notification(email: str, message: str = "") -> None:
    with open("log.txt", mode="w") as email_file:
        content = f"notification for {email}: {message}"
        email_file.write(content)
    diary.write("written")


def write_log(message: str) -> None:
    with open("log.txt", mode="a") as log:
        log.write(message)
    diary.write(message)


def test_the_first_example(way: Way, log: Path):
    @way.app.post("/send-notification/{email}")
    async def send_notification(email: str, background_tasks: imported.BackgroundTasks):
        background_tasks.add_task(write_notification, email, message="some notification")
        return {"message": "Notification sent in the background"}

    with way.client() as client:
        response = client.post("/send-notification/foo@example.com")
        assert (response.status_code, response.json()) == (200, {"message": "Notification sent in the background"})
        diary.wait_for("written")
    assert log.read_text() == "notification for foo@example.com: some notification"


def test_the_example_with_a_dependency(way: Way, log: Path):
    def get_query(background_tasks: imported.BackgroundTasks, q: str | None = None):
        if q:
            message = f"found query: {q}\n"
            background_tasks.add_task(write_log, message)
        return q

    @way.app.post("/send-notification/{email}")
    async def send_notification(
        email: str, background_tasks: imported.BackgroundTasks, q: Annotated[str, Depends(get_query)]
    ):
        message = f"message to {email}\n"
        background_tasks.add_task(write_log, message)
        return {"message": "Message sent"}

    with way.client() as client:
        response = client.post("/send-notification/foo@example.com?q=some-query")
        assert (response.status_code, response.json()) == (200, {"message": "Message sent"})
        diary.wait_for("message to foo@example.com\n")
        assert log.read_text() == "found query: some-query\nmessage to foo@example.com\n"
        client.post("/send-notification/bar@example.com")
        diary.wait_for("message to bar@example.com\n")
    assert log.read_text().endswith("message to foo@example.com\nmessage to bar@example.com\n")


def test_the_schema_is_that_of_the_stock_app(way: Way):
    def declare(app: FastAPI, kind: object) -> None:
        def dependency(tasks: kind, q: str | None = None):  # type: ignore[valid-type]  # a different one each time
            return q

        @app.post("/{number}", responses={404: {"description": "None"}})
        async def endpoint(number: int, tasks: kind, q: Annotated[str, Depends(dependency)]) -> int:  # type: ignore[valid-type]  # as above
            return number

    stock = FastAPI()
    declare(stock, fastapi.BackgroundTasks)
    declare(way.app, imported.BackgroundTasks)
    assert way.finished_app().openapi() == stock.openapi()
