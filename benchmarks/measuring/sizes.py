"""How much is done in one cell. As they are, most cells take seconds; memory, backlog and history take minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How long one thing is measured, what part of an entry's tasks is drained, how many single adds are timed.

    `crowd`: how many tasks of ours wait at most where memory is measured. `history`: how many have ended before.
    """

    seconds: float = 4.0
    part: float = 1.0
    samples: int = 250
    crowd: int = 1_000_000
    history: int = 10_000_000


QUICK = Sizes(seconds=1.0, part=0.1, samples=50, crowd=50_000, history=100_000)
