"""What every page of the dashboard needs: the house, what is hidden, and how a page is made. Imports Jinja2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from afterwards.dashboard import showing
from afterwards.dashboard.gate import NONCE, TOKEN, VISITOR
from afterwards.dashboard.minutes import Minutes
from afterwards.dashboard.pulse import SEEN, Pulse
from afterwards.errors import StoreUnavailable
from afterwards.events import Steered
from afterwards.harmless import harmless
from afterwards.house import House
from afterwards.redaction import Redaction
from afterwards.tasks import State
from afterwards.visitors import Visitor

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
except ImportError as error:
    raise ImportError("the dashboard needs Jinja2: pip install 'afterwards[dashboard]'") from error

HERE = Path(__file__).parent
PAGES = (
    ("", "Overview"),
    ("tasks", "Tasks"),
    ("errors", "Errors"),
    ("queues", "Queues"),
    ("schedules", "Schedules"),
    ("workers", "Workers"),
    ("actions", "Actions"),
)


class Desk:
    """Makes the pages of one house."""

    def __init__(self, house: House, redaction: Redaction) -> None:
        self.house = house
        self.redaction = redaction
        self.pulse = Pulse(house)
        self.minutes = Minutes(house.events)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_plain,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(showing.FILTERS)  # pyright: ignore[reportUnknownMemberType] – Jinja2's type is open

    async def page(
        self, request: Request, template: str, here: str, /, status: int = 200, **values: object
    ) -> Response:
        """The page as the visitor may see it; `here` is which of the pages it is."""
        counted = await self.pulse.counted()
        census = counted.census
        who = visitor_of(request)
        standard = {
            "here": here,
            "now": counted.now,
            "census": census,
            "store": self.house.store.description,
            "who": who,
            "states": list(State),
            "did": _did(request.query_params),
            "steady": False,
            "seen": request.scope[SEEN],
        }
        return self._answer(request, template, status, standard | values)

    async def refuse(self, request: Request, title: str, what_now: str, status: int = 403) -> Response:
        """A page that says no, and what to do."""
        return self._answer(request, "refused.html", status, {"title": title, "what_now": what_now})

    def to(self, request: Request, path: str, **query: object) -> Response:
        """Go on at another page, after something was done."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        place = f"{prefix_of(request)}/{path}" + (f"?{urlencode(given)}" if given else "")
        return RedirectResponse(place, 303)

    def demand(self, request: Request, action: str) -> None:
        """Raises HTTPException if the visitor may not take this action."""
        if not visitor_of(request).can(action):
            raise HTTPException(403, f"Whoever runs this app has not given you the right to {action}.")

    def say(self, request: Request, verb: str, *subjects: str) -> None:
        """Something was done, and by whom."""
        self.pulse.forget()
        if subjects:
            self.house.events.say(Steered(verb=verb, subjects=subjects, by=visitor_of(request).name))

    def exception_handlers(self) -> Mapping[Any, Callable[[Request, Exception], Any]]:
        """Pages in place of errors."""

        async def refused(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            if error.status_code == 404 and error.detail == "Not Found":
                return await self.refuse(request, "There is no such page", "", 404)
            return await self.refuse(request, _REFUSED.get(error.status_code, "No"), error.detail, error.status_code)

        async def away(request: Request, error: Exception) -> Response:
            what_now = "It does not answer at the moment. What it has stored is safe; this page comes back with it."
            answer = await self.refuse(request, "The store is away", what_now, 503)
            answer.headers["retry-after"] = "5"
            return answer

        return {HTTPException: refused, StoreUnavailable: away}

    def _answer(self, request: Request, template: str, status: int, values: Mapping[str, object]) -> Response:
        scope = request.scope
        around = {
            "prefix": prefix_of(request),
            "nonce": scope[NONCE],
            "token": scope[TOKEN],
            "pages": PAGES,
            "is_open": scope[VISITOR] is not None,
        }
        return HTMLResponse(self._templates.get_template(template).render(around | dict(values)), status)


def _plain(value: object) -> object:
    """What a template is about to write: a text without marks that turn the direction of writing and the like."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return harmless(value, keep="\n\t")


def visitor_of(request: Request) -> Visitor:
    """Who was let in."""
    who = request.scope[VISITOR]
    assert isinstance(who, Visitor), "the gate lets nobody else through"
    return who


def prefix_of(request: Request) -> str:
    """Under which path the dashboard is served; never something that a browser takes for another host."""
    path = str(request.scope.get("root_path", "")).strip("/\\")
    return "/" + quote(path) if path else ""


_REFUSED = {
    400: "That cannot be done",
    403: "You may not do that",
    404: "It is not there",
    413: "That is too much",
}
_DONE = {
    "retry": "{} will run again.",
    "cancel": "{} cancelled, or asked to stop.",
    "delete": "{} deleted.",
    "pause": "Paused.",
    "resume": "Resumed.",
    "run": "Asked to run once, now.",
    "forget": "Forgotten.",
    "copy": "This is the copy: a new task, with the same arguments.",
}


def _did(query: Mapping[str, str]) -> str:
    """What was just done, in words of ours: nothing of the address is shown."""
    sentence = _DONE.get(query.get("did", ""), "")
    count = query.get("n", "")
    if "{}" not in sentence:
        return sentence
    return (
        sentence.format(f"{int(count):,} task{'' if count == '1' else 's'}")
        if re.fullmatch(r"[0-9]{1,9}", count)
        else ""
    )
