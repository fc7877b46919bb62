"""Who is let in, by what `auth` returned, and what counts as this machine."""

from typing import Any

import pytest
from starlette.requests import Request

from afterwards import Visitor
from afterwards.visitors import Act, is_loopback, visitor


def request(client: str = "203.0.113.7", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": (client, 50000), "headers": raw, "method": "GET", "path": "/"})


@pytest.mark.parametrize(
    ("answer", "may"), [(True, "all"), ("all", "all"), ("read", "read"), (Visitor(may="read"), "read")]
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_who_is_let_in_has_the_rights_that_were_said(answer: object, may: str, is_async: bool):
    async def later(request: Request) -> object:
        return answer

    who = await visitor(request(), later if is_async else lambda request: answer)
    assert who == Visitor(may=may, name="203.0.113.7")


@pytest.mark.parametrize("answer", [None, False, "", 0, []])
async def test_nobody_is_let_in_by_something_falsy(answer: object):
    assert await visitor(request(), lambda request: answer) is None


@pytest.mark.parametrize("answer", [{"retry", "cancel"}, ["cancel", "retry"], ("retry", "cancel", "retry")])
async def test_who_may_take_some_actions_may_look_and_no_more(answer: object):
    who = await visitor(request(), lambda request: answer)
    assert who == Visitor(may={"retry", "cancel"}, name="203.0.113.7")
    assert who is not None
    assert [action for action in Act if who.can(action)] == ["retry", "cancel"]


@pytest.mark.parametrize(
    ("may", "can", "may_act"),
    [
        ("all", list(Act), True),
        ("read", [], False),
        ({"read"}, [], False),
        ("pause", ["pause"], True),
        ({"read", "run"}, ["run"], True),
        (["all", "read"], list(Act), True),
    ],
)
def test_what_a_visitor_can_do_goes_by_his_rights(may: Any, can: list[str], may_act: bool):
    who = Visitor(may=may)
    assert ([action for action in Act if who.can(action)], who.may_act) == (can, may_act)


async def test_a_visitor_without_any_right_is_nobody():
    assert await visitor(request(), lambda request: Visitor(may=set(), name="ada")) is None


@pytest.mark.parametrize("answer", ["write", 1, object(), {"admin": True}, {"retry", "write"}, [["retry"]], {1}])
async def test_an_answer_that_means_nothing_is_an_error_and_lets_nobody_in(answer: object):
    with pytest.raises(TypeError, match="auth= returned"):
        await visitor(request(), lambda request: answer)


async def test_an_object_with_an_async_call_and_a_lambda_around_a_coroutine_are_awaited():
    class Rule:
        async def __call__(self, request: Request) -> bool:
            return False

    assert await visitor(request(), Rule()) is None
    assert await visitor(request(), lambda it: Rule()(it)) is None


async def test_a_visitor_has_the_name_that_he_was_given():
    assert await visitor(request(), lambda request: Visitor(name="ada")) == Visitor(may="all", name="ada")


async def test_a_visitor_has_the_name_of_an_authenticated_user():
    class Ada:
        is_authenticated = True
        display_name = "Ada"

    asking = request()
    asking.scope["user"] = Ada()
    assert await visitor(asking, lambda request: True) == Visitor(may="all", name="Ada")


def test_a_right_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"read, all, retry.*not 'write'"):
        Visitor(may="write")
    with pytest.raises(ValueError, match="not 'write'"):
        Visitor(may={"retry", "write"})


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("127.0.0.1", "localhost:8000"),
        ("::1", "[::1]:8000"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "app.localhost"),
    ],
)
def test_loopback_is_this_machine_by_its_own_names(client: str, host: str):
    assert is_loopback(request(client, host=host))


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("192.168.1.5", {"host": "localhost"}),
        ("127.0.0.1", {"host": "evil.example"}),  # a page whose name was rebound to this machine
        ("127.0.0.1", {"host": "localhost.evil.example"}),
        ("127.0.0.1", {"host": "[::1"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"host": "localhost", "x_forwarded_for": "127.0.0.1"}),
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"host": "localhost", "x_real_ip": "127.0.0.1"}),
        ("127.0.0.1", {"host": "localhost", "via": "1.1 proxy"}),
        ("testclient", {"host": "localhost"}),
        ("", {"host": "localhost"}),
    ],
)
def test_anything_else_is_not(client: str, headers: dict[str, str]):
    assert not is_loopback(request(client, **headers))
