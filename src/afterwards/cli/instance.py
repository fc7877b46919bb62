"""Finds the `Afterwards` that a command is about: by `--app main:afterwards`, by `--url`, or by the environment."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from types import ModuleType, TracebackType

from afterwards import environment
from afterwards.app import Afterwards
from afterwards.cli.trouble import Trouble, UsedWrongly


def instance(app: str | None, url: str | None) -> Afterwards:
    """Raises UsedWrongly, Trouble, UnsupportedURL."""
    if app is not None and url is not None:
        raise UsedWrongly("--app and --url both name a store: give one of them")
    if app is not None:
        return imported(app)
    check_environment()
    return Afterwards(url=url, worker=False)


def imported(place: str) -> Afterwards:
    """The instance at `module:attribute`. Raises UsedWrongly, Trouble."""
    module_name, attribute = parted(place)
    check_environment()
    module = _module(module_name)
    found: object = module
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if isinstance(found, Afterwards):
        return found
    what = "nothing" if found is None else f"a {type(found).__name__}, not an Afterwards"
    raise Trouble(f"{place} is {what}{_suggestion(module)}")


def parted(place: str) -> tuple[str, str]:
    """The module and the attribute that a place names; whether there are such is not looked at. Raises UsedWrongly."""
    module_name, _, attribute = place.partition(":")
    if not attribute or not _is_module_name(module_name):
        raise UsedWrongly(
            f"{place!r} has not the form module:attribute, such as main:afterwards or package.main:afterwards: the "
            "module's name, not its path, as seen from the current folder"
        )
    return module_name, attribute


def _is_module_name(name: str) -> bool:
    return all(name.split(".")) and not name.endswith(".py") and not any(sign in name for sign in "/\\\0")


def check_environment() -> None:
    """Raises Trouble for a variable that nobody can have meant, and for a current folder that is gone."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise Trouble("the current folder has been deleted or moved away: change to another") from error
    try:
        environment.runs_inline()
    except ValueError as error:
        raise Trouble(str(error)) from error


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
    except (Exception, SystemExit) as error:  # a script without a guard may exit
        raise Trouble(f"{name} cannot be imported: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """What the module raised, and where in it; how we came there is nobody's matter."""
    lines = traceback.format_exception(type(error), error, _from_the_module_on(error.__traceback__))
    return f"{type(error).__name__}: {error}\n\n{''.join(lines).rstrip()}"


def _from_the_module_on(trace: TracebackType | None) -> TracebackType | None:
    ours = (__file__, importlib.__file__)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file not in ours and not file.startswith("<frozen importlib"):
            break
        trace = trace.tb_next
    return trace


def _suggestion(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Afterwards)]
    return f"; there is {', '.join(f'{module.__name__}:{name}' for name in names)}" if names else ""
