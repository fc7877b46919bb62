"""Chains and groups of calls: which needs which, and whose result it gets. Makes calls of them, and stores nothing."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Concatenate, ParamSpec, TypeAlias, Unpack, cast, overload

from afterwards.how import AS_DECORATED, How, call_options
from afterwards.ids import new_id
from afterwards.links import Link, Source, sources
from afterwards.options import CallOptions
from afterwards.tasks import Call, Keeps, TaskId

P = ParamSpec("P")
Part: TypeAlias = "Step | Chain | Group"
Make: TypeAlias = "Callable[[Step, Link], Call]"

MOST_STEPS, MOST_NEEDS = 10_000, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """What was added: the `ids` of all tasks, in the order in which they were given, and the `ends`, which none needs.

    Example:
        `chained = await afterwards.chain(call(fetch, url), call(parse)); await afterwards.wait_all(chained.ends)`
    """

    ids: tuple[TaskId, ...]
    ends: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a chain or group, not yet added. `starts_anyway`: also when what it needs is not done."""

    function: Callable[..., Any]
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    how: How = field(default_factory=How)
    options: CallOptions = AS_DECORATED
    starts_anyway: bool = False

    def using(self, **how: Unpack[How]) -> Step:
        """The same with these options too: `call(send, user.id).using(queue="mail")`.

        A `delay` and a `deadline` count from when the chain is stored. Raises ValueError for `key`, `transaction` and
        `ordered`, which a step does not take.
        """
        for what in ("key", "unique_for", "replace", "transaction", "ordered"):
            if what in how:
                raise ValueError(f"a step of a chain takes no {what}=")
        both: How = {**self.how, **how}
        return replace(self, how=both, options=call_options(both))

    def anyway(self) -> Step:
        """The same, started whatever became of what it needs: to clean up, to tell. Results that are missing are None.

        Example:
            `await afterwards.chain(call(export, 1), call(remove_files, 1).anyway())`
        """
        return replace(self, starts_anyway=True)


@overload
def call(func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Step: ...


@overload
def call(func: Callable[Concatenate[Any, P], Any], /, *args: P.args, **kwargs: P.kwargs) -> Step: ...


def call(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Step:
    """A step for `afterwards.chain` and `afterwards.group`: `func(*args, **kwargs)`, as `add_task` takes it.

    A parameter that is annotated `Former[...]` may be left out: it gets what the step before returned. What is passed
    by position then goes to the other parameters. The arguments are read when the chain is stored.

    Example:
        `await afterwards.chain(call(fetch, url), call(parse), call(save, user.id))`
    """
    return Step(function=func, args=args, kwargs=kwargs)


class _Flow:
    """What can be awaited, and is stored then."""

    def __init__(self, store: Callable[[Part], Awaitable[Chained]] | None) -> None:
        self._store = store
        self.is_used = True  # awaited, or a part of another; or refused

    def __del__(self) -> None:
        if not self.is_used and self._store is not None:
            warnings.warn("a chain or group was never awaited, so it was not stored", RuntimeWarning, stacklevel=2)

    def __await__(self: Any) -> Generator[Any, None, Chained]:
        self.is_used = True
        if self._store is None:
            raise TypeError("nobody stores this: await the chain or group that it is a part of")
        stored: Generator[Any, None, Chained] = self._store(self).__await__()
        return stored


class Chain(_Flow):
    """Parts one after another: each starts when the one before is done, and may take its result; `Afterwards.chain`.

    Raises ValueError for none, TypeError for what is no step, chain or group.
    """

    def __init__(self, parts: Iterable[Part], store: Callable[[Part], Awaitable[Chained]] | None = None) -> None:
        super().__init__(store)
        self.parts = _parts(parts, "chain")
        if not self.parts:
            raise ValueError("a chain without a step has nothing to do")
        self.is_used = False


class Group(_Flow):
    """Parts side by side; `then` starts when all are done, and may take the list of their results; `Afterwards.group`.

    Raises TypeError for what is no step, chain or group.
    """

    def __init__(
        self,
        parts: Iterable[Part],
        then: Part | None = None,
        store: Callable[[Part], Awaitable[Chained]] | None = None,
    ) -> None:
        super().__init__(store)
        self.parts = _parts(parts, "group")
        self.then = None if then is None else _parts([then], "then=")[0]
        self.is_used = False


def calls_of(part: Part, make: Make) -> list[Call]:
    """The calls, each before those that need it. `make` makes the call of a step at its place.

    Raises ValueError for more than MOST_STEPS, or steps that need others more than MOST_NEEDS times in all.
    """
    plan = _Plan(make)
    plan.add(part, (), None)
    _check_size(plan.calls)
    return _completed(plan.calls)


def chained(calls: Sequence[Call]) -> Chained:
    """What the calls of a chain will be found as."""
    ends = tuple(call.id for call in calls if call.link is not None and not call.link.followed)
    return Chained(ids=tuple(call.id for call in calls), ends=ends)


class _Plan:
    """Gathers the calls of parts; `add` returns who has to be done for what comes next, and whose results that gets."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._chain = new_id()
        self.calls: list[Call] = []

    def add(self, part: Part, needs: tuple[TaskId, ...], source: Source | None) -> tuple[tuple[TaskId, ...], Source]:
        match part:
            case Step():
                return self._step(part, needs, source)
            case Chain():
                for one in part.parts:
                    needs, source = self.add(one, needs, source)
                return needs, () if source is None else source
            case Group():
                return self._group(part, needs, source)

    def _step(self, step: Step, needs: tuple[TaskId, ...], source: Source | None) -> tuple[tuple[TaskId, ...], Source]:
        link = Link(chain=self._chain, needs=needs, source=source, anyway=step.starts_anyway)
        call = self._make(step, link)
        self.calls.append(call)
        return (call.id,), call.id

    def _group(
        self, group: Group, needs: tuple[TaskId, ...], source: Source | None
    ) -> tuple[tuple[TaskId, ...], Source]:
        ends = [self.add(one, needs, source) for one in group.parts]
        needs = tuple(chain.from_iterable(ids for ids, _ in ends)) if ends else needs
        results = tuple(each for _, each in ends)
        return (needs, results) if group.then is None else self.add(group.then, needs, results)


def _completed(calls: Sequence[Call]) -> list[Call]:
    """With what only the whole tells: the first task's id, and whether others need a task or take its result."""
    links = [call.link for call in calls if call.link is not None]
    needed = {id for link in links for id in link.needs}
    taken = {id for link in links for id in sources(link.source)}
    return [
        replace(
            call,
            link=replace(link, chain=calls[0].id, followed=call.id in needed),
            after=link.needs[-1] if link.needs else None,
            keeps=replace(call.keeps or Keeps(), result=True) if call.id in taken else call.keeps,
        )
        for call, link in zip(calls, links, strict=True)
    ]


def _check_size(calls: Sequence[Call]) -> None:
    """All of it is stored in one write, which others wait for."""
    if len(calls) > MOST_STEPS:
        raise ValueError(f"a chain has at most {MOST_STEPS:,} steps, not {len(calls):,}: let its tasks add chains")
    needs = sum(len(call.link.needs) for call in calls if call.link is not None)
    if needs > MOST_NEEDS:
        raise ValueError(
            f"the steps of this chain need each other {needs:,} times, and may {MOST_NEEDS:,} times: where a large "
            "group follows a large group, put one step in between"
        )


def _parts(parts: object, what: str) -> tuple[Part, ...]:
    if not isinstance(parts, Iterable):
        raise TypeError(f"{what} takes a list of parts, {what}([call(function, ...), ...]), not {parts!r:.100}")
    return tuple(_part(part, what) for part in cast("Iterable[object]", parts))


def _part(part: object, what: str) -> Part:
    if isinstance(part, Chain | Group):
        part.is_used = True
    if isinstance(part, Step | Chain | Group):
        return part
    hint = f": write call({getattr(part, '__name__', 'function')}, ...)" if callable(part) else ""
    raise TypeError(f"{what} takes call(function, ...), a chain or a group, not {part!r:.100}{hint}")
