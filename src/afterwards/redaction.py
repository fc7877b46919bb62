"""Hides secrets before anything about a task leaves the process: in arguments, results, logs, errors and so on. Pure.

It goes by names: whatever stands under a name such as `password`, however deep, is never shown, and where the same
value turns up again in an error's text it is hidden there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import cast

from afterwards.failures import CUT
from afterwards.tasks import Failure, Task, Try

HIDDEN = "•••"
UNREADABLE = "(not shown: it cannot be read)"
SECRET_WORDS = (
    "accesskey",
    "apikey",
    "authorization",
    "bearer",
    "cardnumber",
    "cookie",
    "credential",
    "cvc",
    "cvv",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "sessionid",
    "signature",
    "token",
)

_SHORTEST = 4  # a shorter value would be found everywhere
_IN_URL = re.compile(r"(://[^\s/:@]{0,200}:)[^\s/@]{1,200}@")
_SCHEME = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{4,}", re.IGNORECASE)
_CUT_SHORT = "…"  # the end of a message that is not whole
_FIRST_WORD = re.compile(r"[^\s,;)\]}\"'/@]*")
_NO_FRAME = r"\n(?!\s+File \")"  # where a line of source has only the last quote of `"token="`, the value ends with it
_QUOTED = "|".join(rf"{quote}(?:[^{quote}\\\n]|\\.|{_NO_FRAME})*(?:{quote}|(?=\n)|\\?\Z)" for quote in "\"'")


class Redaction:
    """What is hidden: everything under a name that contains one of `names` or of `SECRET_WORDS`.

    Neither case nor signs matter: `api_key`, `apiKey` and `X-API-Key` are one. Raises ValueError for an empty name.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        if isinstance(names, str):
            raise ValueError(f"redact takes a list of names, such as ['iban'], not {names!r}")
        self._words = (*SECRET_WORDS, *map(_word, names))
        spelled = "|".join(r"[_-]?".join(map(re.escape, word)) for word in self._words)
        name = rf"(?:{spelled})[\w-]{{0,40}}[\"']?\s{{0,3}}[:=]\s{{0,3}}"
        self._in_text = re.compile(rf"(?P<name>{name})(?:{_QUOTED}|[^\s,;)\]}}]+)", re.IGNORECASE | re.DOTALL)
        self._at_the_end = re.compile(
            rf"(?P<name>(?:{name}|\b(?:Bearer|Basic)\s+)(?=[^\s,;)\]}}\"']*\Z)|://[^\s/:@]{{0,200}}:(?=[^\s/@]*\Z)).*",
            re.IGNORECASE | re.DOTALL,
        )

    def task(self, task: Task) -> Task:
        """The task, with everything in it that must not be shown hidden; the result as JSON text alone."""
        secrets = self._secrets(task)
        return replace(
            task,
            arguments=self._json(task.arguments) or "",
            returned=self._json(task.returned),
            result=None,
            progress=task.progress and replace(task.progress, say=self._cut_short(task.progress.say, secrets)),
            logs=tuple(replace(line, text=self._text(line.text, secrets)) for line in task.logs),
            key=None if task.key is None else self._text(task.key, secrets),
            error=None if task.error is None else self._failure(task.error, secrets),
            tries=tuple(self._try(one, secrets) for one in task.tries),
        )

    def value(self, value: object, *, hidden: bool = False) -> object:
        """The same value, with `HIDDEN` in place of what stands under such a name; `hidden` says that it does."""
        match value:
            case dict():
                items = cast("dict[str, object]", value).items()
                return {name: self.value(item, hidden=hidden or self.hides(name)) for name, item in items}
            case list():
                return [self.value(item, hidden=hidden) for item in cast("list[object]", value)]
            case _:
                return HIDDEN if hidden and value is not None else value

    def hides(self, name: str) -> bool:
        """Whether what has this name is hidden."""
        plain = _plain(name)
        return any(word in plain for word in self._words)

    def _json(self, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            return json.dumps(self.value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return json.dumps(UNREADABLE)

    def _failure(self, failure: Failure, secrets: Collection[str]) -> Failure:
        message, traceback = (self._text(text, secrets) for text in (failure.message, failure.traceback))
        return replace(failure, message=message, traceback=traceback)

    def _try(self, one: Try, secrets: Collection[str]) -> Try:
        if one.error is None:
            return one
        return replace(one, error=replace(one.error, message=self._cut_short(one.error.message, secrets)))

    def _cut_short(self, text: str, secrets: Collection[str]) -> str:
        """A text whose end may be cut off."""
        if text.endswith(_CUT_SHORT):
            text = self._without_its_end(text.removesuffix(_CUT_SHORT), secrets) + _CUT_SHORT
        return self._text(text, secrets)

    def _without_its_end(self, text: str, secrets: Collection[str]) -> str:
        """A text that was cut, perhaps within a secret, of which half would not be found."""
        text = self._at_the_end.sub(rf"\g<name>{HIDDEN}", text)
        half = max((_beginning_at_the_end(text, secret) for secret in secrets), default=0)
        return f"{text[:-half]}{HIDDEN}" if half else text

    def _without_its_beginning(self, text: str, secrets: Collection[str]) -> str:
        half = max((_end_at_the_beginning(text, secret) for secret in secrets), default=0)
        return f"{HIDDEN}{text[half:]}" if half else text

    def _without_halves(self, text: str, secrets: Collection[str]) -> str:
        """The same of one whose middle was cut out."""
        before, cut, after = text.partition(CUT)
        if not cut:
            return text
        if self._at_the_end.search(before):
            after = _FIRST_WORD.sub(HIDDEN, after, count=1)
        return self._without_its_end(before, secrets) + cut + self._without_its_beginning(after, secrets)

    def _text(self, text: str, secrets: Collection[str]) -> str:
        text = self._without_halves(text, secrets)
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        text = _SCHEME.sub(rf"\1 {HIDDEN}", text)  # before the names, for which `Bearer` itself would be the value
        return _IN_URL.sub(rf"\1{HIDDEN}@", self._in_text.sub(rf"\g<name>{HIDDEN}", text))

    def _secrets(self, task: Task) -> list[str]:
        """The hidden values as they may stand in a text, the longest first."""
        found: set[str] = set()
        for text in (task.arguments, task.returned or ""):
            try:
                found.update(self._hidden_values(json.loads(text), hidden=False))
            except (ValueError, RecursionError):
                continue
        return sorted(found, key=len, reverse=True)

    def _hidden_values(self, value: object, *, hidden: bool) -> Iterator[str]:
        match value:
            case dict():
                for name, item in cast("dict[str, object]", value).items():
                    yield from self._hidden_values(item, hidden=hidden or self.hides(name))
            case list():
                for item in cast("list[object]", value):
                    yield from self._hidden_values(item, hidden=hidden)
            case bool():  # it would be found everywhere too
                pass
            case str() | int() | float() if hidden:
                as_json = (json.dumps(value, ensure_ascii=ascii).strip('"') for ascii in (True, False))
                spellings = {str(value), repr(value).strip("'\""), *as_json}
                yield from (spelling for spelling in spellings if len(spelling) >= _SHORTEST)
            case _:
                pass


def _beginning_at_the_end(text: str, secret: str) -> int:
    """How many of the first characters of the secret the text ends with."""
    longest = min(len(text), len(secret) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(secret[:length])), 0)


def _end_at_the_beginning(text: str, secret: str) -> int:
    """How many of the last characters of the secret the text begins with."""
    longest = min(len(text), len(secret) - 1)
    return next((length for length in range(longest, 0, -1) if text.startswith(secret[-length:])), 0)


def _word(name: object) -> str:
    if not isinstance(name, str) or not _plain(name):
        raise ValueError(f"redact takes names with a letter or digit in them, such as 'iban', not {name!r}")
    return _plain(name)


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
