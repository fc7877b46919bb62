from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import ModuleType

import pytest

from afterwards.errors import CallTooLarge, CannotName, CannotStore
from afterwards.first_run import first_run
from afterwards.names import UnknownFunction
from afterwards.options import CallOptions, Options
from afterwards.registry import Registry
from afterwards.retries import Retry
from afterwards.tasks import Call, Task, WorkerId
from tests.unit import some_tasks as tasks

HERE = tasks.__name__
DEFAULT = Retry(attempts=7, crashes=1)
PLAIN = CallOptions()


@pytest.fixture
def registry() -> Registry:
    return Registry(retry=DEFAULT, max_bytes=1000, check=lambda _: None)


def task_of(call: Call) -> Task:
    return first_run(call, now=datetime(2026, 1, 1, tzinfo=UTC), worker=WorkerId("w"))


def run(registry: Registry, call: Call) -> object:
    function = registry.find(call.name)
    args, kwargs = function.arguments.read(call.arguments)
    return function.function(*args, **kwargs)


# Calls


def test_a_call_has_the_functions_name_and_its_arguments(registry):
    call = registry.call(tasks.send, ("a",), {"copies": 2}, PLAIN)
    assert (call.name, json.loads(call.arguments)) == (f"{HERE}:send", {"to": "a", "copies": 2})


def test_every_call_has_an_id_of_its_own(registry):
    ids = [registry.call(tasks.send, ("a",), {}, PLAIN).id for _ in range(100)]
    assert sorted(set(ids)) == ids


def test_a_call_without_options_has_the_defaults(registry):
    call = registry.call(tasks.send, ("a",), {}, PLAIN)
    assert (call.queue, call.priority, call.delay, call.due, call.crashes, call.retry) == (
        "default",
        5,
        timedelta(0),
        None,
        DEFAULT.crashes,
        None,
    )


def test_the_calls_options_win_over_the_functions(registry):
    registry.note(tasks.send, Options(queue="mail", priority=7, retry=Retry(crashes=9)))
    plain = registry.call(tasks.send, ("a",), {}, PLAIN)
    assert (plain.queue, plain.priority, plain.crashes, plain.retry) == ("mail", 7, 9, None)

    due, retry = datetime(2027, 1, 1, tzinfo=UTC), Retry(crashes=4)
    said = registry.call(tasks.send, ("a",), {}, CallOptions(queue="slow", priority=0, retry=retry, due=due))
    assert (said.queue, said.priority, said.crashes, said.retry, said.due) == ("slow", 0, 4, retry, due)

    delayed = registry.call(tasks.send, ("a",), {}, CallOptions(delay=timedelta(seconds=5)))
    assert delayed.delay == timedelta(seconds=5)


def test_a_partial_is_a_call_of_the_function_inside(registry):
    call = registry.call(partial(partial(tasks.send, "a"), copies=2), ("b",), {}, PLAIN)
    assert (call.name, json.loads(call.arguments)) == (f"{HERE}:send", {"to": "a", "text": "b", "copies": 2})


def test_a_call_beyond_the_limit_says_its_size_and_the_limit(registry):
    text = "ä" * 600  # 1,200 bytes in UTF-8
    with pytest.raises(CallTooLarge, match=r"send: .* 1,\d+ bytes, and the limit is 1,000"):
        registry.call(tasks.send, (text,), {}, PLAIN)
    assert registry.call(tasks.send, ("a" * 900,), {}, PLAIN)


def test_a_refused_argument_is_raised_by_the_call(registry):
    with pytest.raises(CannotStore, match=f"^{HERE}:send: the argument to cannot"):
        registry.call(tasks.send, (5,), {}, PLAIN)


def test_a_wrong_call_is_a_type_error(registry):
    with pytest.raises(TypeError, match=r"send\(\) missing"):
        registry.call(tasks.send, (), {}, PLAIN)


@pytest.mark.parametrize(
    "function", [tasks.a_lambda, tasks.make_closure(), tasks.Mailer().send_mine, tasks.Caller(), tasks.Mailer, {}.get]
)
def test_what_has_no_name_is_refused_each_time(registry, function):
    for _ in range(2):
        with pytest.raises(CannotName):
            registry.call(function, (), {}, PLAIN)


def test_an_object_that_cannot_be_hashed_is_refused_in_words(registry):
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]  # as dataclasses do

        def __call__(self): ...

    with pytest.raises(CannotName, match="can be called"):
        registry.call(Unhashable(), (), {}, PLAIN)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (tasks.send, ("a",)),
        (tasks.Mailer.send_one, ("a",)),
        (tasks.Mailer.send_many, (["a"],)),
        (tasks.SpecialMailer.send_many, (["a"],)),
        (tasks.send_logged, ("a",)),
        (tasks.send_with_session, ("a",)),
        (tasks.send_remembered, ("a",)),
        (tasks.anything, (1, 2)),
    ],
)
def test_a_call_is_run_by_its_name(registry, function, arguments):
    call = registry.call(function, arguments, {}, PLAIN)
    assert run(registry, call) == function(*arguments)


# Functions


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (tasks.send, False),
        (tasks.send_later, True),
        (tasks.send_logged, False),
        (tasks.send_logged_later, True),
    ],
)
def test_a_function_knows_whether_it_is_awaited(registry, function, is_async):
    call = registry.call(function, ("a",), {}, PLAIN)
    assert registry.find(call.name).is_async is is_async


def test_an_object_whose_call_is_async_is_awaited_too(registry):
    registry.note(caller := tasks.Caller(), Options(name="caller"))
    call = registry.call(caller, ("a",), {}, PLAIN)
    assert registry.find(call.name).is_async


def test_a_function_that_is_not_there_is_unknown(registry):
    assert registry.knows(f"{HERE}:send")
    assert not registry.knows(f"{HERE}:no_such_function")
    with pytest.raises(UnknownFunction):
        registry.find(f"{HERE}:no_such_function")


def test_a_function_is_known_as_soon_as_it_is_there(registry, monkeypatch):
    assert not registry.knows(f"{HERE}:new_function")
    monkeypatch.setattr(tasks, "new_function", tasks.send, raising=False)
    assert registry.knows(f"{HERE}:new_function")


def test_a_module_that_fails_to_import_is_not_run_at_every_question(registry, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("failing_tasks.py").write_text(
        "from pathlib import Path\nPath(__file__ + '.ran').write_text('x')\n1 / 0"
    )
    ran = tmp_path / "failing_tasks.py.ran"
    assert not registry.knows("failing_tasks:send")
    ran.unlink()
    assert not registry.knows("failing_tasks:send")
    assert not ran.exists()
    with pytest.raises(UnknownFunction, match="ZeroDivisionError"):  # but a task that has come asks again
        registry.find("failing_tasks:send")


# Decorated


def test_a_name_that_a_decorator_gave_is_stored_and_found(registry):
    registry.note(tasks.send, Options(name="send_mail"))
    call = registry.call(tasks.send, ("a",), {}, PLAIN)
    assert call.name == "send_mail"
    assert registry.find("send_mail").function is tasks.send
    assert registry.known_names() == ("send_mail",)


def test_what_was_stored_before_the_name_was_given_is_still_found(registry):
    registry.note(tasks.send, Options(name="send_mail"))
    assert registry.find(f"{HERE}:send").function is tasks.send
    assert registry.call(tasks.send, ("a",), {}, PLAIN).name == "send_mail"


def test_two_names_may_lead_to_one_function(registry):
    registry.note(tasks.send, Options(name="old_name"))
    registry.note(tasks.send, Options(name="new_name"))
    assert registry.find("old_name").function is registry.find("new_name").function is tasks.send
    assert registry.call(tasks.send, ("a",), {}, PLAIN).name == "new_name"


def test_a_closure_may_be_decorated_with_a_name(registry):
    closure = tasks.make_closure()
    registry.note(closure, Options(name="closure"))
    call = registry.call(closure, (), {}, PLAIN)
    assert registry.find(call.name).function is closure


def test_a_closure_without_a_name_is_refused_where_it_is_decorated(registry):
    with pytest.raises(CannotName, match="inside a function"):
        registry.note(tasks.make_closure(), Options())


def test_two_functions_of_one_name_are_refused_in_words(registry):
    registry.note(tasks.send, Options(name="send"))
    with pytest.raises(ValueError, match=r"two functions are named 'send': send in .* and send_later in .*name="):
        registry.note(tasks.send_later, Options(name="send"))


def test_two_closures_of_one_name_are_refused(registry):
    registry.note(tasks.make_closure(), Options(name="closure"))
    with pytest.raises(ValueError, match="two functions are named 'closure'"):
        registry.note(tasks.make_closure(), Options(name="closure"))


def test_the_same_lines_run_again_replace_the_function(registry):
    code = compile("def again(): ...", "again.py", "exec")
    first, second = ModuleType("again"), ModuleType("again")
    for module in (first, second):
        exec(code, module.__dict__)
        registry.note(module.again, Options(name="again", priority=3))
    assert registry.find("again").function is second.again
    assert registry.call(first.again, (), {}, PLAIN).name == "again"


def test_options_noted_after_the_first_call_count_from_then_on(registry):
    registry.call(tasks.send, ("a",), {}, PLAIN)
    registry.note(tasks.send, Options(queue="mail"))
    assert registry.call(tasks.send, ("a",), {}, PLAIN).queue == "mail"


def test_a_decorator_above_ours_is_run_and_keeps_the_options(registry):
    innermost = tasks.send_logged.__wrapped__  # type: ignore[attr-defined]  # functools.wraps sets it
    registry.note(innermost, Options(name="send_mail", queue="mail"))
    call = registry.call(tasks.send_logged, ("a",), {}, PLAIN)
    assert (call.name, call.queue) == ("send_mail", "mail")
    assert registry.find("send_mail").function is tasks.send_logged


def test_a_decorator_above_ours_keeps_the_options_without_a_name_too(registry):
    registry.note(tasks.send_logged.__wrapped__, Options(queue="mail"))  # type: ignore[attr-defined]  # as above
    call = registry.call(tasks.send_logged, ("a",), {}, PLAIN)
    assert (call.name, call.queue) == (f"{HERE}:send_logged", "mail")
    assert registry.find(call.name).function is tasks.send_logged


@pytest.mark.parametrize("noted", [vars(tasks.Mailer)["send_many"], vars(tasks.Mailer)["send_many"].__func__])
def test_a_class_method_may_be_decorated_from_above_or_below(registry, noted):
    registry.note(noted, Options(queue="mail"))
    for function in (tasks.Mailer.send_many, tasks.SpecialMailer.send_many):
        call = registry.call(function, ([],), {}, PLAIN)
        assert call.queue == "mail"
        assert run(registry, call) is function([])


def test_a_static_method_may_be_decorated_from_above(registry):
    registry.note(vars(tasks.Mailer)["send_one"], Options(queue="mail"))
    assert registry.call(tasks.Mailer.send_one, ("a",), {}, PLAIN).queue == "mail"


# Policies


def test_the_policy_is_the_calls_else_the_functions_else_the_default(registry):
    own, at_call = Retry(attempts=2), Retry(attempts=3)
    call = registry.call(tasks.send, ("a",), {}, PLAIN)
    assert registry.retry_for(task_of(call)) is DEFAULT
    registry.note(tasks.send, Options(retry=own))
    assert registry.retry_for(task_of(call)) is own
    assert registry.retry_for(task_of(replace(call, retry=at_call))) is at_call


def test_a_function_that_is_unknown_has_the_default_policy(registry):
    call = registry.call(tasks.send, ("a",), {}, PLAIN)
    assert registry.retry_for(task_of(replace(call, name="gone:function"))) is DEFAULT
    assert "gone" not in sys.modules
