"""The demo's pages, as a visitor meets them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.journeys.demos import Demo, is_alive, run_demo
from tests.journeys.harness import until


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One for all tests that only visit."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    demo.start()
    yield demo
    demo.end()


def test_a_registration_is_answered_and_its_mail_is_in_the_inbox(demo: Demo):
    status, _ = demo.post("/register", name="Ada Lovelace", email="ada@example.com")
    assert status == 303
    until(lambda: "Welcome, Ada Lovelace" in demo.words("/inbox"), "the mail arrives")
    assert "to Ada Lovelace <ada@example.com>" in demo.words("/inbox")
    until(lambda: "Mail delivered" in demo.words(), "the page says so")


def test_its_dashboard_shows_the_task_of_a_registration(demo: Demo):
    demo.post("/register", name="Hedy Lamarr", email="hedy@example.com")
    until(lambda: "Welcome, Hedy Lamarr" in demo.words("/inbox"), "the mail arrives")
    assert 'href="/afterwards/"' in demo.get("/")[1]
    until(lambda: "send_welcome" in demo.words("/afterwards/tasks?q=state:done"), "its task stands there")


def test_hostile_names_are_text_on_every_page(demo: Demo):
    name = "<script>alert('x')</script> & \"quotes\""
    assert demo.post("/register", name=name, email="xss@example.com")[0] == 303
    until(lambda: f"Welcome, {name}" in unescape(demo.get("/inbox")[1]), "the mail arrives")
    for path in ("/", "/inbox"):
        page = demo.get(path)[1]
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_an_address_registers_once_and_the_second_gets_no_mail(demo: Demo):
    demo.post("/register", name="First", email="twice@example.com")
    status, page = demo.post("/register", name="Second", email="twice@example.com")
    assert status == 409
    assert "twice@example.com is registered already." in page
    until(lambda: "Welcome, First" in demo.words("/inbox"), "the first's mail arrives")
    assert "Second" not in demo.words("/inbox")


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("", "a@example.com"),
        ("Eve\r\nBcc: all@example.com", "eve@example.com"),
        ("Eve", "no address"),
        ("Eve", "a@example.com\r\nBcc: b@example.com"),
        ("Eve", "<b>@example.com, c@example.com"),
        ("x" * 101, "long@example.com"),
    ],
)
def test_what_no_mail_could_carry_is_refused_on_the_page(demo: Demo, name: str, email: str):
    status, page = demo.post("/register", name=name, email=email)
    assert status == 422
    assert '<p class="notice" id="notice" role="status" data-keep></p>' not in page


def test_a_refusing_mail_server_can_be_watched_and_turned_back(demo: Demo):
    demo.post("/mail-server", refuses="true")
    demo.post("/register", name="Patience", email="patience@example.com")
    until(lambda: "attempt 2 failed" in demo.words(), "a second try is refused")
    words = demo.words()
    assert "refuses every mail (451)" in words
    assert "Next try" in words
    assert "SMTPDataError: (451," in words
    demo.post("/mail-server", refuses="false")
    until(lambda: "Welcome, Patience" in demo.words("/inbox"), "the mail arrives after all")


def test_nothing_comes_from_another_host(demo: Demo):
    for path in ("/", "/inbox", "/static/demo.css", "/static/live.js"):
        assert "http://" not in demo.get(path)[1]
        assert "https://" not in demo.get(path)[1]


def test_a_killed_app_comes_back_and_a_kept_folder_survives_a_restart(tmp_path: Path):
    demo = Demo(tmp_path)
    demo.start()
    demo.post("/mail-server", refuses="true")
    demo.post("/register", name="Lazarus", email="lazarus@example.com")
    killed = demo.app_pid()
    with pytest.raises(ConnectionError):
        demo.post("/kill")
    until(lambda: demo.answers() and demo.app_pid() != killed, "the app comes back")
    demo.end()
    assert not is_alive(killed)

    demo.start()
    demo.post("/mail-server", refuses="false")
    until(lambda: "Welcome, Lazarus" in demo.words("/inbox"), "the mail arrives in the third life")
    demo.end()


def test_the_app_dies_with_the_demo_however_that_dies(tmp_path: Path):
    demo = Demo(tmp_path)
    demo.start()
    app = demo.app_pid()
    assert demo.process is not None
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.communicate(timeout=10)
    until(lambda: not is_alive(app), "the app is gone too")


def test_a_port_that_is_taken_is_told(demo: Demo):
    second = run_demo("demo", "--port", str(demo.port))
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"port {demo.port} of 127.0.0.1 is taken" in out
