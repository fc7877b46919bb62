"""How a function is named in the store, and found again by that name in another process. Runs no function.

A name is `module:qualname`, and it is proved when it is given: walking there must lead back to the same object.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import ModuleType

from afterwards.errors import CannotName
from afterwards.partials import Callee, refuse_unrun
from afterwards.started import STARTED, importable_name, started_module

_NAMES = 10_000  # of which it is remembered what they consist of: every run asks


class UnknownFunction(LookupError):
    """No function of this name can be found in this process; the message says why."""


class BrokenModule(UnknownFunction):
    """The module is there, and raised when it was imported."""


def name_of(function: Callee) -> str:
    """The name under which a worker finds `function` again: `module:qualname`, proved by going there.

    Raises CannotName for what has no such name: lambdas, closures, bound methods, callable objects, classes.
    """
    name = name_to_be(function)
    module, qualname = _place(function)
    try:
        found = _walk(sys.modules[module], qualname.split("."))
    except (KeyError, AttributeError):
        found = None
    if not _same_function(found, function):
        raise CannotName(
            f"{name} does not lead back to the function that was given: another object, or none, stands there. "
            "Pass what stands at the top level of a module under its own name."
        )
    return name


def name_to_be(function: Callee) -> str:
    """The name that `function` will have once its module is complete. Raises CannotName when it never will."""
    refuse_unrun(function)
    module, qualname = _place(function)
    if "<lambda>" in qualname:
        raise CannotName(
            f"a lambda (in {module}) has no name under which a worker could find it again. "
            "Write it as a `def` at the top level of a module."
        )
    if "<locals>" in qualname:
        raise CannotName(
            f"{module}:{qualname} is defined inside a function, where no worker could find it again. "
            "Move it to the top level of a module, and pass what it closes over as arguments."
        )
    importable = importable_name(module) if module in STARTED else module
    if importable is None:
        raise CannotName(
            f"{qualname} is defined in a session or script that other processes cannot import. "
            "Move it to the top level of a module that can be imported."
        )
    return f"{importable}:{qualname}"


def module_of(function: Callee) -> str:
    """The module that another process imports to have `function`. Raises CannotName when there is none."""
    return name_to_be(function).partition(":")[0]


def resolve(name: str) -> Callee:
    """The function that stands under `module:qualname`, its module imported if need be. Raises UnknownFunction."""
    module_name, path = _parts(name)
    if not path:
        raise UnknownFunction(
            f"no function is named {name!r} in this process: the module whose decorator says so is not imported here"
        )
    module = sys.modules.get(module_name) or started_module(module_name) or _imported(module_name)
    try:
        found = _walk(module, path)
    except AttributeError:
        qualname = ".".join(path)
        raise UnknownFunction(f"the module {module_name} has no {qualname}: renamed, moved or deleted?") from None
    if not callable(found) or isinstance(found, type):
        raise UnknownFunction(f"{name} is no function: {found!r:.100}")
    return found


def versioned(name: str, version: int) -> str:
    """The name that is stored for a version of a function; the first has none."""
    return name if version == 1 else f"{name}@{version}"


@lru_cache(_NAMES)
def parted(name: str) -> tuple[str, int]:
    """A stored name without its version, and that."""
    plain, sign, version = name.rpartition("@")
    return (plain, int(version)) if sign and version.isascii() and version.isdigit() else (name, 1)


def standing(function: Callee) -> Callee:
    """What stands at the function's own place: itself, or what a decorator wrapped around it."""
    try:
        found = _walk(sys.modules[function.__module__], function.__qualname__.split("."))
    except (KeyError, AttributeError):
        return function
    return found if callable(found) and function in inwards(found) else function


def inwards(function: Callee) -> Iterator[Callee]:
    """The function, then what it wraps, down to the innermost."""
    inner: Callee | None = getattr(function, "__func__", function)
    while inner is not None:
        yield inner
        inner = getattr(inner, "__wrapped__", None)


def _place(function: Callee) -> tuple[str, str]:
    """Module and qualified name, by the class it was taken from if it is a class method."""
    kind = function if isinstance(function, type) else type(function)
    if kind is function:
        raise CannotName(
            f"{_shown(kind)} is a class, and a task is a function. Write a function that makes the object."
        )
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__module__, f"{owner.__qualname__}.{getattr(function, '__name__', '')}"
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if owner is not None and not isinstance(owner, ModuleType):  # what C modules define is bound to the module
        raise CannotName(
            f"{qualname} is bound to an object ({type(owner).__qualname__}) that no worker has. Make it a static "
            "method, or a function at the top level of a module, and pass what it needs of the object."
        )
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise CannotName(
            f"a {_shown(function)} is an object that can be called, and has no name of its own. "
            "Write a function at the top level of a module that calls it."
        )
    return module, qualname


def _same_function(found: object, function: Callee) -> bool:
    """A class method is a new object each time it is looked up; everything else must be the very same."""
    return found is function or (isinstance(getattr(function, "__self__", None), type) and found == function)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UnknownFunction(f"there is no module {error.name} to import in this process") from error
        raise BrokenModule(f"importing {name} failed: {error}") from error
    except (Exception, SystemExit) as error:  # a script without a guard may exit: that must not end the worker
        raise BrokenModule(f"importing {name} failed: {type(error).__name__}: {error}") from error


@lru_cache(_NAMES)
def _parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The module, and the way from there; none where the name has none."""
    module_name, _, qualname = name.partition(":")
    return module_name, tuple(qualname.split(".")) if qualname else ()


def _walk(module: ModuleType, path: Iterable[str]) -> object:
    found: object = module
    for part in path:
        found = getattr(found, part)
    return found


def _shown(value: object) -> str:
    """A class, or the class of an object, as its users write it."""
    kind: type = value if isinstance(value, type) else type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
