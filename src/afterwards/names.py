"""How a function is named in the store, and found again by that name in another process. Runs nothing.

A name is `module:qualname`, and it is proved when it is given: walking there must lead back to the same object. The
script that was started is `__main__` to itself, and goes by the name under which others can import it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType

from afterwards.errors import CannotName

Callee = Callable[..., object]
Args = tuple[object, ...]

_STARTED = ("__main__", "__mp_main__")  # the second in children that multiprocessing spawned
_NO_PLACEHOLDER = object()
_PLACEHOLDER: object = getattr(functools, "Placeholder", _NO_PLACEHOLDER)  # Python 3.14


class UnknownFunction(LookupError):
    """No function of this name can be found in this process; the message says why."""


def unfold(function: Callee, args: Args, kwargs: Mapping[str, object]) -> tuple[Callee, Args, Mapping[str, object]]:
    """The function inside a `functools.partial`, with the partial's arguments merged into those of the call."""
    while isinstance(function, partial):
        args = _filled(function.args, args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    return function, args, kwargs


def name_of(function: Callee) -> str:
    """The name under which a worker finds `function` again: `module:qualname`, proved by going there.

    Raises CannotName for what has no such name: lambdas, closures, bound methods, callable objects, classes.
    """
    name = name_to_be(function)
    module, qualname = _place(function)
    try:
        found = _walk(sys.modules[module], qualname)
    except (KeyError, AttributeError):
        found = None
    if not _same_function(found, function):
        raise CannotName(
            f"{name} does not lead back to {_shown(function)}: something else, or nothing, stands there. "
            "Add the object that stands at the top level of its module under its own name."
        )
    return name


def name_to_be(function: Callee) -> str:
    """The name that `function` will have once its module is complete. Raises CannotName when it never will."""
    module, qualname = _place(function)
    if "<lambda>" in qualname:
        raise CannotName(
            f"a lambda ({module}) has no name under which a worker could find it again. "
            "Write it as a `def` at the top level of a module."
        )
    if "<locals>" in qualname:
        raise CannotName(
            f"{module}:{qualname} is defined inside a function, so that a worker could not find it again. "
            "Move it to the top level of a module, and pass what it closes over as arguments."
        )
    if module not in _STARTED:
        return f"{module}:{qualname}"
    importable = importable_name(module)
    if importable is None:
        raise CannotName(
            f"{qualname} is defined in a session or script that other processes cannot import. "
            "Move it to the top level of a module that can be imported."
        )
    return f"{importable}:{qualname}"


def resolve(name: str) -> Callee:
    """The function that stands under `module:qualname`, its module imported if need be. Raises UnknownFunction."""
    module_name, _, qualname = name.partition(":")
    if not qualname:
        raise UnknownFunction(
            f"no function is registered as {name!r} in this process: "
            "the module whose decorator gives that name is not imported here"
        )
    module = _module(module_name)
    try:
        found = _walk(module, qualname)
    except AttributeError:
        raise UnknownFunction(f"the module {module_name} has no {qualname}: renamed, moved or deleted?") from None
    if not callable(found) or isinstance(found, type):
        raise UnknownFunction(f"{name} is no function but {_shown(found)}")
    return found


@functools.cache
def importable_name(module_name: str) -> str | None:
    """The name under which other processes can import the script that runs here as `__main__`; None if there is none.

    `python -m package.module` says it; `python script.py` is importable when its own file is what its stem finds.
    """
    module = sys.modules.get(module_name)
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return None if spec.name in _STARTED else str(spec.name)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not os.path.exists(file):
        return None
    stem = os.path.splitext(os.path.basename(file))[0]
    return stem if _finds(stem, file) else None


def _finds(stem: str, file: str) -> bool:
    if not stem.isidentifier() or stem in _STARTED:
        return False
    try:
        spec = importlib.util.find_spec(stem)
    except (ImportError, ValueError):  # ValueError: a module that was put into sys.modules by hand
        return False
    return spec is not None and spec.origin is not None and _same_file(spec.origin, file)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # "built-in", "frozen"
        return False


def _place(function: Callee) -> tuple[str, str]:
    """Module and qualified name, by the class it was taken from if it is a class method."""
    if isinstance(function, type):
        raise CannotName(
            f"{_shown(function)} is a class, and a task is a function. Write a function that makes the object."
        )
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__module__, f"{owner.__qualname__}.{getattr(function, '__name__', '')}"
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        raise CannotName(
            f"{qualname} is bound to an object ({_shown(owner)}) that would not be there in a worker. Make it a "
            "static method or a function at the top level of a module, and pass what it needs of the object."
        )
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise CannotName(
            f"{_shown(function)} is an object that can be called, and has no name of its own. "
            "Write a function at the top level of a module that calls it."
        )
    return module, qualname


def _same_function(found: object, function: Callee) -> bool:
    """A class method is a new object each time it is looked up; everything else must be the very same."""
    return found is function or (isinstance(getattr(function, "__self__", None), type) and found == function)


def _module(name: str) -> ModuleType:
    """The module, without running a second copy of the script that was started."""
    if name in sys.modules:
        return sys.modules[name]
    for started in _STARTED:
        if started in sys.modules and importable_name(started) == name:
            return sys.modules[started]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UnknownFunction(f"there is no module {error.name} to import in this process") from error
        raise UnknownFunction(f"importing {name} failed: {error}") from error
    except (Exception, SystemExit) as error:  # a script without a guard may exit: that must not end the worker
        raise UnknownFunction(f"importing {name} failed: {type(error).__name__}: {error}") from error


def _walk(module: ModuleType, qualname: str) -> object:
    found: object = module
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _filled(own: Args, args: Args) -> Args:
    """A partial's arguments, then the call's; its placeholders take the call's first ones."""
    if _PLACEHOLDER not in own:
        return own + args
    given = iter(args)
    return tuple(next(given, argument) if argument is _PLACEHOLDER else argument for argument in own) + tuple(given)


def _shown(value: object) -> str:
    kind = value if isinstance(value, type) else type(value)
    place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{place}{kind.__qualname__}"
