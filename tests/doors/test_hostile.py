"""Strangers' words on every page, in the status router and on the command line: they stay words, and are cut."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from afterwards import Afterwards, Visitor
from afterwards.events import Steered
from afterwards.ids import new_id
from afterwards.tasks import Call
from tests.doors.cli_runs import CommandLine
from tests.doors.dashboards import PAGES, app_of
from tests.doors.hostile import LARGE, PLAIN, WORDS, Strangers, fill

LARGEST_PAGE = 150_000  # characters
LARGEST_ANSWER = 15_000
FROM_OUTSIDE = ("href", "src", "action", "formaction", "data-live")


class Markup(HTMLParser):
    """The tags of a page with the names of their attributes, and where they lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.places: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *[name for name, _ in attrs]))
        self.places += [value or "" for name, value in attrs if name in FROM_OUTSIDE]


def pages_of(strangers: Strangers) -> list[str]:
    return [*PAGES, *[f"tasks/{task_id}" for task_id in strangers.ids]]


def dashboard_of(folder: Path, word: str) -> dict[str, str]:
    """Every page of a store full of the word, as texts."""
    afterwards = Afterwards(url=f"sqlite:///{folder / 'tasks.db'}", worker=False)
    strangers = asyncio.run(fill(afterwards.house.store, word))
    queue = word[:1000].encode(errors="replace").decode()
    asyncio.run(afterwards.house.store.pause(queue, paused=True))  # one that the page would refuse, too
    app = app_of(afterwards, lambda request: Visitor(name=word or "ada"))
    with TestClient(app) as client:
        token = client.get("/afterwards/").cookies.get("afterwards_token")
        form = {"token": token, "verb": "pause", "name": queue}
        answer = client.post("/afterwards/act/queues", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        if answer.status_code == 400:  # no queue has such a name, but for what others have written
            afterwards.house.events.say(Steered(verb="pause", subjects=(queue,), by=word))
        answers = {page: client.get(f"/afterwards/{page}") for page in pages_of(strangers)}
    assert {answer.status_code for answer in answers.values()} == {200}
    names = dict(zip(pages_of(strangers), [*PAGES, "done", "failed", "running", "waiting"], strict=True))
    return {names[page]: answer.text for page, answer in answers.items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Markup]:
    """The markup of the same pages with a word that means no harm."""
    pages = dashboard_of(tmp_path_factory.mktemp("plain"), PLAIN)
    return {page: Markup(text) for page, text in pages.items()}


@pytest.fixture(params=WORDS.values(), ids=list(WORDS))
def word(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def strange_characters(text: str) -> set[str]:
    """What could mislead a reader or steer a terminal."""
    return {
        character
        for character in set(text)
        if not character.isprintable() and unicodedata.category(character) != "Zs" and character not in "\n\t"
    }


def is_fixed(tag: tuple[str, ...]) -> bool:
    """Rows stand by the names of queues; and a search is completed with the words that somebody might type, only."""
    return tag[0] != "option"


def test_a_page_has_the_same_markup_whatever_the_words(tmp_path: Path, plain: dict[str, Markup], word: str):
    for page, text in dashboard_of(tmp_path, word).items():
        markup = Markup(text)
        assert sorted(filter(is_fixed, markup.tags)) == sorted(filter(is_fixed, plain[page].tags)), page
        assert [place for place in markup.places if not re.match(r"/afterwards/|#", place)] == [], page
        assert [urlsplit(place).path for place in markup.places if not re.search(r"/tasks/.|^#", place)] == [
            urlsplit(place).path for place in plain[page].places if not re.search(r"/tasks/.|^#", place)
        ], page
        assert strange_characters(text) == set(), page
        assert len(text) < LARGEST_PAGE, page


def test_long_names_are_cut(tmp_path: Path):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False)
    names = ["long" * 60 + str(number) for number in range(50)]  # nearly as long as a name may be
    calls = [Call(id=new_id(), name=f"shop:{name}", arguments="{}", queue=name) for name in names]
    asyncio.run(afterwards.house.store.add(calls))
    with TestClient(app_of(afterwards, lambda request: True)) as client:
        assert names[0] in client.get(f"/afterwards/tasks/{calls[0].id}").text, "one task's page has it whole"
        for page in PAGES:
            text = client.get(f"/afterwards/{page}").text
            assert len(text) < LARGEST_PAGE, page
            shown = re.sub(r'(?:href|value)="[^"]*"', "", text)
            assert "long" * 41 not in shown, page


def test_large_numbers_keep_their_digits(tmp_path: Path):
    pages = dashboard_of(tmp_path, PLAIN)
    for page in ("done", "failed", "running", "waiting"):
        assert f"&#34;number&#34;: {LARGE}" in pages[page], page
    assert f"{LARGE - 1} of {2**60}" in pages["running"], "a progress is a float"


def test_the_status_of_a_task_is_json_whatever_the_words(tmp_path: Path, word: str):
    afterwards = Afterwards(url=f"sqlite:///{tmp_path / 'tasks.db'}", worker=False)
    strangers = asyncio.run(fill(afterwards.house.store, word))
    app = app_of(afterwards)
    app.include_router(afterwards.status_router(auth=lambda request: "read"), prefix="/tasks")
    app.include_router(afterwards.status_router(), prefix="/open")
    with TestClient(app) as client:
        for task_id in strangers.ids:
            answer = client.get(f"/tasks/{task_id}")
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.json()["id"] == str(task_id)
            assert len(client.get(f"/open/{task_id}").text) < LARGEST_ANSWER
        assert client.get(f"/tasks/{strangers.done}").json()["result"] == {word: word, "number": LARGE}
        for task_id in (strangers.done, strangers.failed):
            stream = client.get(f"/tasks/{task_id}/events").text
            (line,) = [line for line in stream.split("\n") if line.startswith("data: ")]
            assert json.loads(line.removeprefix("data: "))["id"] == str(task_id)
            assert [line for line in stream.split("\n") if line.startswith("event:")] == ["event: task"]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys, monkeypatch)


def test_a_terminal_is_not_steered_whatever_the_words(command: CommandLine, word: str):
    strangers = asyncio.run(fill(Afterwards(url=command.url, worker=False).house.store, word))
    shows = [["show", str(task_id)] for task_id in strangers.ids]
    for words in [["list"], ["stats"], ["schedules", "list"], ["watch", "--times", "1"], *shows]:
        run = command.on_store(*words)
        assert (run.code, run.err) == (0, ""), words
        assert strange_characters(run.out) == set(), words
        assert len(run.out) < LARGEST_PAGE, words
        assert command.on_store(*words, "--json").out.isascii(), words
