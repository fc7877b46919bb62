"""Says in words why an argument cannot be stored, and what to do instead. Decides nothing."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from afterwards.errors import CannotStore
from afterwards.parts import first_difference
from afterwards.unstorable import HALF_A_CHARACTER, known_reason

_PLAIN = "plain values (str, int, float, bool, None, list, dict)"
_BUILT_IN = "builtins"
_OF_PYDANTIC = [  # what is in its words, and what it means; none of it depends on the annotation
    ("surrogates not allowed", HALF_A_CHARACTER),
    ("Circular reference", "it holds itself. Pass an id, or a value without such a circle."),
    ("depth exceeded", "it is nested too deep. Keep it elsewhere, and pass an id or a path; or pass it as text."),
    ("recursion limit", "it is nested too deep. Keep it elsewhere, and pass an id or a path; or pass it as text."),
]


def refusal(called: str, parameter: str, value: object, annotation: object, back: object) -> CannotStore:
    """The error for an argument of the function `called`. `back` is what came back instead, or the error on the way.

    `annotation` is `Any` where there is none that pydantic could use.
    """
    path, reason = known_reason(value) or _reason(value, annotation, back)
    return CannotStore(f"{called}: the argument {parameter + path} cannot be stored: {reason}")


def shown(kind: object) -> str:
    """A class as its users write it, or any other annotation as it prints."""
    if not isinstance(kind, type):
        return str(kind)
    return kind.__qualname__ if kind.__module__ == _BUILT_IN else f"{kind.__module__}.{kind.__qualname__}"


def _reason(value: object, annotation: object, back: object) -> tuple[str, str]:
    kind = shown(type(value))
    for words, meaning in _OF_PYDANTIC if isinstance(back, Exception) else ():
        if words in str(back):
            return "", meaning
    if isinstance(back, ValidationError):
        said = back.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(f"[{step!r}]" for step in said["loc"][1:])
        what = f"of type {kind}, it would not be read back as {shown(annotation)}: {said['msg']}"
        return path, f"{what}. {_way_out(kind, annotation)}"
    if isinstance(back, Exception):
        return "", f"of type {kind}, it could not be written: {back}. {_way_out_of(back, kind, annotation)}"
    path, mine, its = first_difference(value, back)
    return path, _changed(mine, its, annotation, is_part=bool(path))


def _changed(given: object, back: object, annotation: object, *, is_part: bool) -> str:
    kind, other = shown(type(given)), shown(type(back))
    if type(given) is type(back):
        return f"it would come back changed, as {_printed(back)}. {_way_out(kind, annotation)}"
    what = f"it is of type {kind}, and would come back as {other}"
    if isinstance(given, type(back)) and type(back).__module__ != _BUILT_IN:
        return f"{what}, without what the subclass adds. {_annotate(kind, is_part=is_part)}."
    if annotation is Any and not is_part:
        return f"{what}. {_way_out(kind, annotation)}"
    if annotation is Any:
        return f"{what}. {_annotate(kind, is_part=is_part)}, or pass {_PLAIN}."
    advice = _annotate(kind, is_part=is_part)
    return f"{what}. Pass {other}, or {advice[0].lower()}{advice[1:]}."


def _annotate(kind: str, *, is_part: bool) -> str:
    if is_part:
        return f"Annotate the parameter with a type that says {kind} for this part of it"
    return f"Annotate the parameter with {kind}"


def _printed(value: object) -> str:
    try:
        return f"{value!r:.200}"
    except Exception:  # a foreign __repr__; an int of too many digits
        return f"another {shown(type(value))}"


def _way_out(kind: str, annotation: object) -> str:
    if annotation is Any:
        return f"Annotate the parameter with a type that pydantic knows ({kind}, if it does), or pass {_PLAIN}."
    return "Pass what the annotation says, annotate what is passed, or pass an id."


def _way_out_of(error: Exception, kind: str, annotation: object) -> str:
    if "invalid utf-8" in str(error):
        return "In the model_config of the model that has the bytes, set ser_json_bytes and val_json_bytes to base64."
    return _way_out(kind, annotation)
