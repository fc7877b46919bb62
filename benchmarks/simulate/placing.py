"""Which database has which queue: by the queue's name alone, so that every process comes to the same answer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A queue, or one of the `of` parts into which a busy one is split; `rate` tasks a second come to it."""

    queue: str
    number: int
    of: int
    rate: float

    @property
    def name(self) -> str:
        """What it is placed by."""
        return self.queue if self.of == 1 else f"{self.queue}#{self.number}"


def place(name: str, shards: Sequence[str]) -> str:
    """The shard with the highest score for this name: a shard that comes or goes moves no name between the others.

    Source: rendezvous hashing, Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996.
    """
    return max(shards, key=lambda shard: _score(name, shard))


def split(rates: Mapping[str, float], *, most: float) -> list[Part]:
    """The queues, those with more than `most` tasks a second in as many equal parts as that takes."""
    parts: list[Part] = []
    for queue, rate in rates.items():
        of = max(1, math.ceil(rate / most))
        parts += [Part(queue, number, of, rate / of) for number in range(of)]
    return parts


def placed(parts: Sequence[Part], shards: Sequence[str], *, most: float = math.inf) -> dict[str, list[Part]]:
    """The parts of each shard. None gets more than `most` tasks a second, if it can be helped.

    The busiest come first, and each goes to the best of its shards that has room. Who does not have his first choice is
    an exception, which has to be written down where all processes read it; all others need only the names.

    Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2018.
    """
    by_shard: dict[str, list[Part]] = {shard: [] for shard in shards}
    load = dict.fromkeys(shards, 0.0)
    for part in sorted(parts, key=lambda part: part.rate, reverse=True):
        with_room = [shard for shard in shards if load[shard] + part.rate <= most]
        shard = place(part.name, with_room or shards)
        by_shard[shard].append(part)
        load[shard] += part.rate
    return by_shard


def exceptions(by_shard: Mapping[str, Sequence[Part]]) -> list[Part]:
    """Those that are not where their names alone would put them."""
    shards = list(by_shard)
    return [part for shard, parts in by_shard.items() for part in parts if place(part.name, shards) != shard]


def _score(name: str, shard: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{shard}\0{name}".encode(), digest_size=8).digest(), "big")
