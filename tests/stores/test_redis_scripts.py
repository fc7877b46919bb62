"""The scripts of the Redis store: each is used, says what it promises, and stands on what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import afterwards

REDIS = Path(afterwards.__file__).parent / "stores" / "redis"
FILES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((REDIS / "lua").glob("*.lua"))}
STANDS_ON = re.compile(r"^-- with: ([\w ]+)\n")
FOUNDATIONS = {word for text in FILES.values() for words in STANDS_ON.findall(text) for word in words.split()}
SCRIPTS = {name: text for name, text in FILES.items() if name not in FOUNDATIONS}


def asked_for() -> set[str]:
    """The names in `Ask("…")` and `script("…")`."""
    calls = [
        node
        for path in REDIS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    names = {"Ask", "script"}
    return {
        word.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in names and call.args
        for word in call.args[:1]
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }


def test_every_script_is_used_and_every_one_that_is_used_exists():
    assert asked_for() == set(SCRIPTS)


def test_what_scripts_stand_on_exists():
    assert set(FILES) >= FOUNDATIONS


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_at_its_beginning_what_it_promises_and_is_no_longer_than_a_reader_can_hold(name: str):
    text = STANDS_ON.sub("", FILES[name])
    assert re.match(r"-- [A-Z][^\n]{20,}\n", text), "its first lines are a comment of whole sentences"
    assert len(FILES[name].splitlines()) <= 300


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_the_keys_it_was_given_and_answers_in_the_one_way(name: str):
    text = FILES[name]
    assert "answer(" in text
    assert not re.search(r"call\('\w+', '", text), "a key is never written out in a script"
