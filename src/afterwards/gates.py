"""Who may pass the gates that stand before its run, as they are counted at this moment. Pure: decides, writes nothing.

A gate is closed while as many runs go on behind it as its quota allows, or as many have begun. Who finds one closed
stands before it, and is not looked at again until it opens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from afterwards import quotas
from afterwards.tasks import Gate, Hold

Id = TypeVar("Id")

MOST_LOOKED_AT = 1_000  # candidates of one claim: more that are held wait for the next
AT_LEAST_LOOKED_AT = 100  # at once, when some were held: they stand together
MOST_OPENINGS = 100  # of one claim
MOST_SWEPT = 100  # gates of one sweep
NO_QUOTA_AT_ONCE = 1_000  # tasks that are let go together, when what held them is no more
BUCKETS = 500  # of one period: passes that are closer than that are counted as one, at the later instant


@dataclass(slots=True, kw_only=True)
class Count:
    """One gate as it stands: what its quota allows (None: any number), what runs, and what has begun lately."""

    most: int | None
    running: int
    rate: int | None
    begun: int

    @property
    def is_used_up(self) -> bool:
        """Whether as many have begun as may, so that the clock says when the next one passes."""
        return self.rate is not None and self.begun >= self.rate

    def closed_by(self) -> Hold | None:
        """Why nobody passes now."""
        if self.most is not None and self.running >= self.most:
            return Hold.LIMIT
        return Hold.RATE if self.is_used_up else None

    def room(self) -> int:
        """How many may pass now; there is a quota, so that they are counted."""
        places = [] if self.most is None else [self.most - self.running]
        turns = [] if self.rate is None else [self.rate - self.begun]
        return max(min([*places, *turns], default=0), 0)

    def let_pass(self) -> None:
        self.running += 1
        self.begun += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[Id]):
    """A task that could be claimed, but for these gates: none, if nothing limits it."""

    id: Id
    gates: tuple[Gate, ...] = ()


@dataclass(slots=True, kw_only=True)
class Passage(Generic[Id]):
    """What was decided: who passes, in order, and at which gate the others are held. Some may be left as they are."""

    passing: list[Candidate[Id]] = field(default_factory=list[Candidate[Id]])
    held: list[tuple[Id, Gate, Hold]] = field(default_factory=list[tuple[Id, Gate, Hold]])

    def begun(self) -> Counter[Gate]:
        """How many pass each gate."""
        return Counter(gate for candidate in self.passing for gate in candidate.gates)

    def gates(self) -> set[Gate]:
        """All that somebody passed, or was held at."""
        return {*self.begun(), *(gate for _, gate, _ in self.held)}


def gates_of(name: str, queue: str, key: str, *, of_function: bool, of_queue: bool) -> tuple[Gate, ...]:
    """The gates of a task, of those of its two quotas that there are."""
    by_function = (Gate(quota=quotas.of_function(name), key=key),) if of_function else ()
    return (*by_function, Gate(quota=quotas.of_queue(queue))) if of_queue else by_function


def decide(candidates: Sequence[Candidate[Id]], counts: Mapping[Gate, Count], *, room: int) -> Passage[Id]:
    """Let up to `room` of them pass, the first first. Whoever has a gate that is not counted is left as it is."""
    passage = Passage[Id]()
    for candidate in candidates:
        if len(passage.passing) >= room:
            break
        if not all(gate in counts for gate in candidate.gates):
            continue
        closed = [(gate, why) for gate in candidate.gates if (why := counts[gate].closed_by()) is not None]
        if closed:
            passage.held.append((candidate.id, *closed[0]))
            continue
        for gate in candidate.gates:
            counts[gate].let_pass()
        passage.passing.append(candidate)
    return passage
