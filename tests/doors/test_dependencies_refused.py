"""Dependencies that cannot be solved in a task: refused in words, where the function is decorated or first added."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Body, Cookie, Depends, File, Form, Header, Query, Request, Response, Security, WebSocket
from fastapi import Path as FromPath
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from afterwards import SOLVED, CannotSolve, Retry
from afterwards.testing import recorded
from tests.doors.ways import Means, Way

if TYPE_CHECKING:
    from decimal import Context

Shape = Callable[..., Any]


@pytest.fixture
def way(tmp_path: Path) -> Way:
    return Way(Means.CHANGED, tmp_path / "tasks.db", retry=Retry.never)


class Order(BaseModel):
    number: int


class Connection:
    """What pydantic knows nothing of."""


def of_request(request: Request) -> None: ...
def of_websocket(socket: WebSocket) -> None: ...
def of_connection(connection: HTTPConnection) -> None: ...
def of_response(response: Response) -> None: ...
def of_scopes(scopes: SecurityScopes) -> None: ...
def of_path(number: Annotated[int, FromPath()]) -> None: ...
def of_query(q: str, page: int = 1) -> None: ...
def of_default(page: int = 1) -> None: ...
def of_marked_query(q: Annotated[str | None, Query()] = None) -> None: ...
def of_header(user_agent: Annotated[str, Header()]) -> None: ...
def of_cookie(session: Annotated[str, Cookie()]) -> None: ...
def of_body(order: Order) -> None: ...
def of_marked_body(order: Annotated[int, Body()]) -> None: ...
def of_form(name: Annotated[str, Form()]) -> None: ...
def of_file(content: Annotated[bytes, File()]) -> None: ...


def nested(it: Annotated[None, Depends(of_request)]) -> None: ...


class Client:
    def __init__(self, host: str) -> None: ...


token = OAuth2PasswordBearer(tokenUrl="token")


def request(it: Annotated[None, Depends(of_request)]) -> None: ...
def websocket(it: Annotated[None, Depends(of_websocket)]) -> None: ...
def connection(it: Annotated[None, Depends(of_connection)]) -> None: ...
def response(it: Annotated[None, Depends(of_response)]) -> None: ...
def scopes(it: Annotated[None, Security(of_scopes, scopes=["read"])]) -> None: ...
def path(it: Annotated[None, Depends(of_path)]) -> None: ...
def query(it: None = Depends(of_query)) -> None: ...
def default(it: None = Depends(of_default)) -> None: ...
def marked_query(it: None = Depends(of_marked_query)) -> None: ...
def header(it: Annotated[None, Depends(of_header)] = SOLVED) -> None: ...
def cookie(it: Annotated[None, Depends(of_cookie)]) -> None: ...
def body(it: Annotated[None, Depends(of_body)]) -> None: ...
def marked_body(it: Annotated[None, Depends(of_marked_body)]) -> None: ...
def form(it: Annotated[None, Depends(of_form)]) -> None: ...
def file(it: Annotated[None, Depends(of_file)]) -> None: ...
def deep(it: Annotated[None, Depends(nested)]) -> None: ...
def client(it: Annotated[Client, Depends()]) -> None: ...
def secured(it: Annotated[str, Depends(token)]) -> None: ...


REFUSED: dict[Shape, str] = {
    request: r"'request' takes the Request by of_request\(\)",
    websocket: r"'socket' takes the WebSocket by of_websocket\(\)",
    connection: r"'connection' takes the HTTPConnection by of_connection\(\)",
    response: r"'response' takes the Response by of_response\(\)",
    scopes: r"'scopes' takes the SecurityScopes by of_scopes\(\)",
    path: r"'number' takes a value from the path by of_path\(\)",
    query: r"'q' takes a value from the query by of_query\(\)",
    default: r"'page' takes a value from the query by of_default\(\)",
    marked_query: r"'q' takes a value from the query by of_marked_query\(\)",
    header: r"'user_agent' takes a header by of_header\(\)",
    cookie: r"'session' takes a cookie by of_cookie\(\)",
    body: r"'order' takes the body by of_body\(\)",
    marked_body: r"'order' takes the body by of_marked_body\(\)",
    form: r"'name' takes the body by of_form\(\)",
    file: r"'content' takes the body by of_file\(\)",
    deep: r"'request' takes the Request by nested\(\) → of_request\(\)",
    client: r"'host' takes a value from the query by Client\(\)",
    secured: r"'request' takes the (Request|HTTPConnection) by OAuth2PasswordBearer\(\)",
}
all_refused = pytest.mark.parametrize(("shape", "words"), REFUSED.items(), ids=lambda it: getattr(it, "__name__", ""))
WAY_OUT = r", and a task has no request\. Pass what is needed as an argument of the task, or let it depend on something"


@all_refused
def test_what_needs_a_request_is_refused_when_it_is_decorated(way: Way, shape: Shape, words: str):
    with pytest.raises(CannotSolve, match=rf"^{shape.__name__}: the parameter 'it' cannot be .*{words}{WAY_OUT}"):
        way.afterwards.task(queue="mail")(shape)
    with recorded(way.afterwards) as tasks:
        way.afterwards.add_sync(shape, it="given" if shape is secured else None)
    assert [call.queue for call in tasks.calls] == ["default"], "nothing was noted"


@all_refused
def test_what_needs_a_request_is_refused_when_it_is_added(way: Way, shape: Shape, words: str):
    with recorded(way.afterwards) as tasks:
        for _ in range(2):
            with pytest.raises(
                CannotSolve, match=rf"^{shape.__name__}: the parameter 'it' cannot be .*{words}{WAY_OUT}"
            ):
                way.afterwards.add_sync(shape)
    assert tasks.calls == []


@all_refused
def test_what_needs_a_request_may_be_given(way: Way, shape: Shape, words: str):
    with recorded(way.afterwards) as tasks:
        way.afterwards.add_sync(shape, "given" if shape is secured else None)
    assert len(tasks.calls) == 1


def unknown_to_pydantic(it: Connection) -> None: ...


async def short() -> Any:
    yield 1


async def long(it: Annotated[int, Depends(short, scope="function")]) -> Any:
    yield it


def needs_what_pydantic_does_not_know(it: Annotated[None, Depends(unknown_to_pydantic)]) -> None: ...
def has_it_twice(it: Annotated[None, Depends(nested)] = Depends(nested)) -> None: ...
def outlives_what_it_needs(it: Annotated[int, Depends(long)]) -> None: ...
def by_position(it: Annotated[int, Depends(short)], /) -> None: ...
def not_to_be_seen(it: "Annotated[Context, Depends(short)]" = SOLVED) -> None: ...
def no_marker(it: int = SOLVED) -> None: ...


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (needs_what_pydantic_does_not_know, r"FastAPI says: Invalid args for response field!.*Connection"),
        (has_it_twice, "FastAPI says: Cannot specify `Depends` in `Annotated` and default value together for 'it'"),
        (outlives_what_it_needs, 'FastAPI says: The dependency "long" has a scope of "request"'),
        (by_position, "by position only: take the `/` away"),
        (not_to_be_seen, r"no Depends\(\.\.\.\) can be seen in its annotation.*not only under TYPE_CHECKING"),
        (no_marker, r"no Depends\(\.\.\.\) can be seen in its annotation"),
    ],
)
def test_what_makes_no_sense_is_refused(way: Way, shape: Shape, words: str):
    with pytest.raises(CannotSolve, match=rf"^{shape.__name__}: the parameter 'it' .*{words}"):
        way.afterwards.task()(shape)
    with recorded(way.afterwards), pytest.raises(CannotSolve, match=words):
        way.afterwards.add_sync(shape)
