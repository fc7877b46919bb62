from __future__ import annotations

import inspect
import sys
import time
from functools import partial
from types import ModuleType

import pytest

from afterwards.errors import CannotName
from afterwards.names import BrokenModule, UnknownFunction, inwards, name_of, name_to_be, resolve, standing
from tests.unit import some_tasks as tasks

HERE = tasks.__name__


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (tasks.send, f"{HERE}:send"),
        (tasks.another_name_for_send, f"{HERE}:send"),
        (tasks.send_later, f"{HERE}:send_later"),
        (tasks.send_logged, f"{HERE}:send_logged"),
        (tasks.send_remembered, f"{HERE}:send_remembered"),
        (tasks.send_once, f"{HERE}:send_once"),
        (tasks.send_inside, f"{HERE}:send_inside"),
        (tasks.send_driven, f"{HERE}:send_driven"),
        (tasks.Mailer.send_one, f"{HERE}:Mailer.send_one"),
        (tasks.Mailer.Inner.send_one, f"{HERE}:Mailer.Inner.send_one"),
        (tasks.Mailer().send_one, f"{HERE}:Mailer.send_one"),
        (tasks.SpecialMailer.send_one, f"{HERE}:Mailer.send_one"),
        (tasks.Mailer.send_many, f"{HERE}:Mailer.send_many"),
        (tasks.Mailer().send_many, f"{HERE}:Mailer.send_many"),
        (tasks.SpecialMailer.send_many, f"{HERE}:SpecialMailer.send_many"),
        (print, "builtins:print"),
        (time.sleep, "time:sleep"),
    ],
)
def test_a_name_leads_back_to_its_function(function, name):
    assert name_of(function) == name
    assert resolve(name) == function


def test_a_class_method_is_called_on_the_class_it_was_taken_from():
    found = resolve(name_of(tasks.SpecialMailer.send_many))
    assert found([]) is tasks.SpecialMailer


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (tasks.a_lambda, "lambda"),
        (tasks.make_closure(), "inside a function"),
        (tasks.Mailer().send_mine, "bound to an object"),
        ("text".upper, "bound to an object"),
        (tasks.Caller(), "can be called"),
        (partial(tasks.send), "can be called"),
        (tasks.Mailer, "is a class"),
        (tasks.original_moved_away, "does not lead back"),
        (tasks.send_piecemeal, "has a `yield` in it"),
        (tasks.send_piecemeal_later, "has a `yield` in it"),
        (tasks.Mailer.send_each, "Mailer.send_each has a `yield` in it"),
        (tasks.Mailer.send_every, "Mailer.send_every has a `yield` in it"),
        (tasks.sending, "sending is a context manager"),
        (tasks.sending_later, "sending_later is a context manager"),
    ],
)
def test_what_no_worker_could_find_is_refused_in_words(function, words):
    with pytest.raises(CannotName, match=words) as refused:
        name_of(function)
    assert any(way_out in str(refused.value) for way_out in ("Write", "Move", "Make", "Pass"))


def test_another_function_under_the_same_name_is_noticed():
    stranger = ModuleType("stranger")
    exec("def send(): ...", stranger.__dict__)
    stranger.send.__module__, stranger.send.__qualname__ = HERE, "send"
    with pytest.raises(CannotName, match="does not lead back"):
        name_of(stranger.send)


def test_the_name_to_be_is_known_before_the_module_is_complete():
    assert name_to_be(tasks.original_moved_away) == f"{HERE}:moved_away"


def test_a_generator_function_is_refused_when_it_is_decorated():
    with pytest.raises(CannotName, match="yield"):
        name_to_be(tasks.send_piecemeal)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("send_welcome", "no function is named 'send_welcome'"),
        ("no_such_module:send", "there is no module no_such_module"),
        (f"{HERE}.deeper:send", f"there is no module {HERE}.deeper"),
        (f"{HERE}:no_such_function", "renamed, moved or deleted"),
        (f"{HERE}:send.deeper", "renamed, moved or deleted"),
        (f"{HERE}:make_closure.<locals>.closure", "renamed, moved or deleted"),
        (f"{HERE}:Mailer", "is no function"),
        (f"{HERE}:HERE", "renamed, moved or deleted"),
        (f"{HERE}:__name__", "is no function"),
        (":", "no function is named"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(name, words):
    with pytest.raises(UnknownFunction, match=words):
        resolve(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module_either", "No module named 'no_such_module_either'"),
        ("raise RuntimeError('no database')", "RuntimeError: no database"),
        ("raise SystemExit('usage: …')", "SystemExit: usage"),
    ],
)
def test_a_module_that_fails_to_import_is_told_from_one_that_is_not_there(text, words, tmp_path, monkeypatch):
    tmp_path.joinpath("broken_tasks.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokenModule, match=words):
        resolve("broken_tasks:send")


def test_a_module_is_imported_when_a_name_needs_it(tmp_path, monkeypatch):
    tmp_path.joinpath("late_tasks.py").write_text("def send(): return 'sent'")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("late_tasks:send")() == "sent"
    monkeypatch.delitem(sys.modules, "late_tasks")


def test_what_stands_at_a_functions_place_is_the_outermost_decorator():
    innermost = inspect.unwrap(tasks.send_logged)
    assert standing(innermost) is tasks.send_logged
    assert standing(tasks.send) is tasks.send
    assert list(inwards(tasks.send_logged)) == [tasks.send_logged, innermost]


def test_a_stranger_at_a_functions_place_does_not_stand_for_it(monkeypatch):
    original = tasks.send
    monkeypatch.setattr(tasks, "send", print)
    assert standing(original) is original


def test_a_function_whose_place_is_gone_stands_for_itself():
    assert standing(tasks.original_moved_away) is tasks.original_moved_away
