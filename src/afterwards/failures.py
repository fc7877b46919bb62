"""Turns an error into text that can be kept. Never raises, whatever the error's own `__str__` does."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from types import TracebackType

from afterwards.retries import kind_of
from afterwards.tasks import Failure

LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 20_000
CUT = "\n… (cut)\n"  # in place of the middle of a text that was too long


def failure_of(error: BaseException, *, hide: Collection[str] = ()) -> Failure:
    """The error as it is kept. Frames of the files `hide` at the top of the traceback are left out."""
    return Failure(
        kind=clean(kind_of(type(error)), 200),
        message=clean(_message(error), LONGEST_MESSAGE),
        traceback=clean(_traceback(error, hide), LONGEST_TRACEBACK),
    )


def clean(text: str, longest: int) -> str:
    """Text that every store can keep: no NUL, no lone surrogates, at most `longest` characters (the middle is cut)."""
    text = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= longest:
        return text
    half = (longest - len(CUT)) // 2
    return text[:half] + CUT + text[-half:]


def _message(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception as unreadable:  # an error whose own text cannot be made
        return f"(the text of this {type(error).__name__} cannot be read: {type(unreadable).__name__})"


def _traceback(error: BaseException, hide: Collection[str]) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, _below(error.__traceback__, hide)))
    except Exception as unreadable:  # as above, or from an error in its chain
        return f"(the traceback cannot be formatted: {type(unreadable).__name__})"


def _below(frames: TracebackType | None, hide: Collection[str]) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename in hide:
        frames = frames.tb_next
    return frames
