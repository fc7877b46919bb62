"""The programs in examples/, served by a real uvicorn: what they answer, and what they leave in their files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from afterwards import Afterwards, State, Task
from tests.journeys.harness import Server, free_port, until

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Stage:
    """An empty folder in which examples are served; what they write lands there."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def serve(self, app: str) -> Server:
        """Start uvicorn as the example's docstring says, and wait until it answers."""
        port = free_port()
        process = self.start("uvicorn", app, "--app-dir", str(EXAMPLES), "--port", str(port), "--log-level", "warning")
        server = Server(port, process)
        until(lambda: server.answers() or process.poll() is not None, f"{app} answers")
        assert process.poll() is None, "the server has ended at once"
        return server

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python module as a process of its own, with nothing set but the way to the examples."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AFTERWARDS_")}
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**variables, "PYTHONPATH": str(EXAMPLES)},
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def text(self, file: str) -> str:
        """What the example has written; nothing as long as there is no such file."""
        path = self.folder / file
        return path.read_bytes().decode("utf-8") if path.exists() else ""

    def tasks(self) -> list[Task]:
        """The tasks in the example's store, the newest first."""

        async def find() -> list[Task]:
            async with Afterwards(url=f"sqlite:///{self.folder / 'afterwards.db'}", worker=False).opened() as store:
                return await store.find()

        return anyio.run(find)

    def until_done(self, count: int) -> None:
        """Wait until that many tasks are stored and all of them are done."""
        until(lambda: [task.state for task in self.tasks()] == [State.DONE] * count, f"{count} tasks are done")

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.end()


def test_continue_readme_appends_from_the_endpoint_and_from_the_dependency(stage: Stage) -> None:
    (stage.folder / "README.md").write_bytes("# 目录\n".encode())
    server = stage.serve("continue_readme:app")
    with server.client() as client:
        answer = client.post("/background_tasks", params={"framework": "FastAPI"})
        assert (answer.status_code, answer.json()) == (200, {"message": "任务已在后台运行"})
        stage.until_done(1)
        answer = client.post("/dependency/background_tasks", params={"q": "Starlette"})
        assert (answer.status_code, answer.json()) == (200, {"message": "README.md更新成功"})
        stage.until_done(2)
    assert stage.text("README.md") == "# 目录\n\n## FastAPI 框架精讲\n## Starlette 框架精讲"


def test_continue_readme_adds_nothing_without_a_query(stage: Stage) -> None:
    server = stage.serve("continue_readme:app")
    with server.client() as client:
        answer = client.post("/dependency/background_tasks")
        assert (answer.status_code, answer.content) == (200, b"null")
        assert client.post("/background_tasks").status_code == 422, "the framework is required"
    assert stage.tasks() == []
    assert stage.text("README.md") == ""


def test_send_notification_logs_the_dependencys_line_before_the_endpoints(stage: Stage) -> None:
    server = stage.serve("send_notification:app")
    with server.client() as client:
        answer = client.post("/send-notification/ada@example.com", params={"q": "hello"})
        assert answer.status_code == 200
        assert answer.json()["message"] == "Message sent"
        stage.until_done(2)
        assert answer.json()["task_id"] == str(stage.tasks()[0].id)
        client.post("/send-notification/bob@example.com")
        stage.until_done(3)
    lines = ["found query: hello", "message to ada@example.com", "message to bob@example.com"]
    assert stage.text("log.txt").splitlines() == lines


def test_welcome_mail_solves_its_mailer_and_adds_a_second_mail(stage: Stage) -> None:
    server = stage.serve("welcome_mail:app")
    with server.client() as client:
        assert client.post("/register/ada@example.com").json() == {"registered": "ada@example.com"}
        stage.until_done(2)
    assert [(task.queue, task.arguments) for task in stage.tasks()] == [
        ("default", '{"email":"ada@example.com"}'),
        ("mail", '{"email":"ada@example.com"}'),
    ]
    sent = "from hello@example.com to ada@example.com"
    assert stage.text("outbox.txt") == f"{sent}: welcome!\n{sent}: did you know?\n"


def test_register_in_transaction_writes_one_mail_for_one_user(stage: Stage) -> None:
    server = stage.serve("register_in_transaction:app")

    def mails() -> list[tuple[str]]:
        with closing(sqlite3.connect(stage.folder / "users.db")) as users:
            return users.execute('SELECT "to" FROM mails').fetchall()

    with server.client() as client:
        assert client.post("/users/ada@example.com").status_code == 201
        assert client.post("/users/ada@example.com").status_code == 409
        until(lambda: mails() == [("ada@example.com",)], "the mail is written")
        assert client.post("/users/bob@example.com").status_code == 201
        until(lambda: mails() == [("ada@example.com",), ("bob@example.com",)], "the other mail is written")
    with closing(sqlite3.connect(stage.folder / "users.db")) as users:
        assert users.execute("SELECT count(*), min(state), max(state) FROM afterwards_tasks").fetchone() == (
            2, "done", "done",
        )  # fmt: skip
        assert users.execute("PRAGMA journal_mode").fetchone() == ("delete",), "the file is the app's own"


def test_hello_starlette_runs_its_tasks_in_order(stage: Stage) -> None:
    server = stage.serve("hello_starlette:app")
    with server.client() as client:
        assert client.post("/hello/Ada").json() == {"greeted": "Ada"}
        stage.until_done(2)
    assert stage.text("log.txt") == "hello Ada\nand goodbye Ada\n"


def test_adopted_is_durable_though_the_app_knows_nothing_of_it(stage: Stage) -> None:
    assert "afterwards" not in (EXAMPLES / "adopted" / "shop.py").read_text(encoding="utf-8").lower()
    server = stage.serve("adopted.main:app")
    with server.client() as client:
        assert client.post("/orders/7").json() == {"accepted": 7}
        stage.until_done(1)
    assert [task.name for task in stage.tasks()] == ["adopted.shop:confirm"]
    assert stage.text("orders.txt") == "order 7 is confirmed\n"


def test_separate_worker_runs_what_the_app_only_stores(stage: Stage) -> None:
    server = stage.serve("separate_worker.app:app")
    with server.client() as client:
        assert client.post("/reports/2026").json() == {"ordered_by_process": server.process.pid}
    assert [(task.state, task.queue) for task in stage.tasks()] == [(State.WAITING, "reports")]
    worker = stage.start("afterwards", "worker", "separate_worker.tasks:afterwards")
    stage.until_done(1)
    assert stage.text("reports.txt") == f"report of 2026, written by process {worker.pid}\n"
    worker.terminate()
    assert worker.wait(10) == 0, "SIGTERM ends it well"
