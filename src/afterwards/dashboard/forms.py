"""What a page's form sends: read without a parser of multipart, bounded, and only with the page's own token."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from afterwards.dashboard.gate import COOKIE

LARGEST = 1024 * 1024  # bytes


class Form:
    """The fields of a form."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """The field of this name, or an empty text."""
        return self._fields.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """All of this name."""
        return self._fields.get(name, [])


async def read(request: Request) -> Form:
    """Raises HTTPException for a form that is too large, or does not carry the token of this browser's cookie."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, "That is more than this page ever sends.")
    form = Form(parse_qs(body.decode(errors="replace"), keep_blank_values=True))
    expected = request.cookies.get(COOKIE, "")
    if not expected or not secrets.compare_digest(form.one("token").encode(), expected.encode()):
        raise HTTPException(403, "This page is too old, or it is not ours. Load it again, and try again.")
    return form
