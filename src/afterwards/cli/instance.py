"""Finds the `Afterwards` that a command is about: by `--app main:afterwards`, by `--url`, or by the environment."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from types import ModuleType

from afterwards.app import Afterwards
from afterwards.cli.trouble import Trouble, UsedWrongly


def instance(app: str | None, url: str | None) -> Afterwards:
    """Raises UsedWrongly, Trouble, UnsupportedURL."""
    if app is not None and url is not None:
        raise UsedWrongly("--app and --url both name a store: give one of them")
    if app is not None:
        return imported(app)
    return Afterwards(url=url, worker=False)


def imported(place: str) -> Afterwards:
    """The instance at `module:attribute`. Raises UsedWrongly, Trouble."""
    module_name, _, attribute = place.partition(":")
    if not module_name or not attribute:
        raise UsedWrongly(f"{place!r} has not the form module:attribute, such as main:afterwards")
    module = _module(module_name)
    found: object = module
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if isinstance(found, Afterwards):
        return found
    what = "nothing" if found is None else f"a {type(found).__name__}, not an Afterwards"
    raise Trouble(f"{place} is {what}{_suggestion(module)}")


def _module(name: str) -> ModuleType:
    """The current directory comes first, as with `uvicorn main:app`; what the module prints is not our answer."""
    sys.path.insert(0, os.getcwd())
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise Trouble(f"{name} cannot be imported: it needs {error.name}, which is not installed here") from error
        raise Trouble(f"there is no module {error.name} in {os.getcwd()}, nor installed") from error


def _suggestion(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Afterwards)]
    return f"; there is {', '.join(f'{module.__name__}:{name}' for name in names)}" if names else ""
