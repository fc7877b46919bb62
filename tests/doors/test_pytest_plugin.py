"""The fixtures that pytest finds by itself once Afterwards is installed."""

import pytest

pytest_plugins = ["pytester"]

APP = """
from fastapi import FastAPI
from afterwards import Afterwards, BackgroundTasks

app = FastAPI()
afterwards = Afterwards(app)
log = []

async def write(text: str) -> None:
    log.append(text)

@app.post("/{text}")
async def endpoint(text: str, tasks: BackgroundTasks):
    tasks.add_task(write, text)
"""
INSTANCE = """
import pytest
import the_app

@pytest.fixture
def afterwards():
    return the_app.afterwards
"""
TESTS = """
from fastapi.testclient import TestClient
from the_app import app, log, write

def test_inline(afterwards_inline):
    with TestClient(app) as client:
        client.post("/inline")
        assert log == ["inline"]

def test_recorded(afterwards_recorded):
    TestClient(app).post("/recorded")
    assert afterwards_recorded.added(write, "recorded")
    assert log == ["inline"]
"""


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(the_app=APP, test_it=TESTS)
    return pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-W", "ignore", "--import-mode=importlib", "-o", "pythonpath=."
    )


def test_a_users_tests_run_inline_and_recorded_and_no_file_is_made(pytester: pytest.Pytester):
    pytester.makeconftest(INSTANCE)
    run(pytester).assert_outcomes(passed=2)
    assert list(pytester.path.glob("*.db*")) == []


def test_without_an_instance_the_fixtures_say_what_to_define(pytester: pytest.Pytester):
    result = run(pytester)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*define a fixture `afterwards` that returns your instance*"])
