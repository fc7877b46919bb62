"""Says in words why an argument cannot be stored, and what to do instead. Decides nothing."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from afterwards.errors import CannotStore
from afterwards.parts import first_difference
from afterwards.unstorable import known_reason

_PLAIN = "plain values (str, int, float, bool, None, list, dict)"
_BUILT_IN = "builtins"


def refusal(called: str, parameter: str, value: object, annotation: object, back: object) -> CannotStore:
    """The error for an argument of the function `called`. `back` is what came back instead, or the error on the way."""
    path, reason = known_reason(value) or _reason(value, annotation, back)
    place = f"{parameter!r}" if not path else f"{parameter + path!r}"
    return CannotStore(f"{called}: the argument {place} cannot be stored: {reason}")


def shown(kind: object) -> str:
    """A class as its users write it, or any other annotation as it prints."""
    if not isinstance(kind, type):
        return str(kind)
    return kind.__qualname__ if kind.__module__ == _BUILT_IN else f"{kind.__module__}.{kind.__qualname__}"


def _reason(value: object, annotation: object, back: object) -> tuple[str, str]:
    if isinstance(back, ValidationError):
        said = back.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        what = f"it is {_a(value)}, and would not be read back as {shown(annotation)}: {said}"
        return "", f"{what}. {_way_out(value, annotation)}"
    if isinstance(back, Exception):
        return "", f"it is {_a(value)}, and pydantic cannot write it: {back}. {_way_out(value, annotation)}"
    path, mine, its = first_difference(value, back)
    return path, _changed(mine, its, annotation)


def _changed(given: object, back: object, annotation: object) -> str:
    kind, other = type(given), type(back)
    if kind is other:
        return f"this {shown(kind)} would come back changed, as {back!r:.200}. {_way_out(given, annotation)}"
    what = f"it is {_a(given)}, and would come back as {_a(back)}"
    if not issubclass(kind, other):
        return f"{what}. {_way_out(given, annotation)}"
    if other.__module__ == _BUILT_IN:
        return f"{what}. Pass a plain {shown(other)}, or annotate the parameter as {shown(kind)}."
    return f"{what}, without what the subclass adds. Annotate the parameter as {shown(kind)}."


def _way_out(value: object, annotation: object) -> str:
    if annotation is Any:
        if type(value).__module__ == _BUILT_IN:
            return f"Annotate the parameter with its exact type, or pass {_PLAIN}."
        return f"Annotate the parameter as {shown(type(value))} if pydantic knows that type, or pass {_PLAIN}."
    return "Pass exactly what the annotation says, or annotate what is passed, or pass an id."


def _a(value: object) -> str:
    word = shown(type(value))
    return "None" if value is None else f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
