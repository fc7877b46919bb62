"""What becomes of a million tasks a second whose queues are spread over several databases. A model, no measurement.

    python benchmarks/simulate/sharding.py [--rate 1000000] [--capacity 20000] [--queues 2000] [--skew 1.1]
                                           [--headroom 0.6] [--part 0.25] [--seconds 30] [--seed 1]

Tasks come to the queues at rates that fall like 1/rank^skew. A database bears `capacity` tasks a second through their
whole life: added, claimed, settled; benchmarks/run.py tells how many those are on a machine. As many databases are
taken as bear the rate at `headroom` of it, and a queue with more than `part` of one is split. Then time passes, a
hundredth of a second at a time: tasks come at random, and wait in line where more have come than a database bears.

It shows what hashing names does by itself, what splitting adds, and what a short list of exceptions does; then one
database that stands still for a tenth of the time, whose adds are refused meanwhile, and one database more. The model
leaves out what no database decides: the workers, of which there are enough, the network, and how long a task runs.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulate.placing import Part, exceptions, placed, split

STEP = 0.01  # seconds
FULLEST = 1.5  # times the mean, where exceptions are made
Placed = Mapping[str, Sequence[Part]]


@dataclass
class Line:
    """What waits at one database."""

    rate: float
    capacity: float
    waiting: float = 0.0
    refused: float = 0.0

    def pass_time(self, chance: random.Random, *, stands: bool = False) -> float:
        """One step; how long who comes last then has to wait, in seconds."""
        mean = self.rate * STEP
        come = max(0.0, chance.gauss(mean, mean**0.5))  # as good as Poisson's for so many
        if stands:
            self.refused += come
            return 0.0
        self.waiting = max(0.0, self.waiting + come - self.capacity * STEP)
        return self.waiting / self.capacity


def main() -> None:
    """Simulate, and print."""
    options = _options()
    rates = _rates(options.queues, options.rate, options.skew)
    shards = [f"shard {number}" for number in range(math.ceil(options.rate / (options.capacity * options.headroom)))]
    whole = split(rates, most=math.inf)
    parts = split(rates, most=options.part * options.capacity)
    halves = [part for part in parts if part.of > 1]
    print(f"{options.rate:,} tasks/s in {options.queues:,} queues, {len(shards)} databases of {options.capacity:,}/s")
    print(
        f"the busiest queue has {max(rates.values()):,.0f}/s; {len({part.queue for part in halves})} are split", end=""
    )
    print(f" into {len(halves)} parts\n")
    print(f"{'':<32}{'fullest':>9}{'over 100%':>11}{'p50 wait':>12}{'p99 wait':>12}{'refused':>9}")
    _weather("by name alone", placed(whole, shards), options)
    _weather("busy queues split", placed(parts, shards), options)
    most = FULLEST * options.rate / len(shards)
    here = placed(parts, shards, most=most)
    _weather("split, with exceptions", here, options)
    _weather("one stands still for a tenth", here, options, stands=True)
    there = placed(parts, [*shards, "one more"], most=most)
    _weather("one more", there, options)
    print(f"\n{len(exceptions(here))} exceptions; with one more, {_moved(here, there, options.rate)}")


def _rates(queues: int, rate: float, skew: float) -> dict[str, float]:
    weights = [1 / rank**skew for rank in range(1, queues + 1)]
    return {f"queue {number}": rate * weight / sum(weights) for number, weight in enumerate(weights)}


def _weather(name: str, by_shard: Placed, options: argparse.Namespace, *, stands: bool = False) -> None:
    chance = random.Random(options.seed)
    loads = [sum(part.rate for part in parts) for parts in by_shard.values()]
    lines = [Line(load, options.capacity) for load in loads]
    steps = round(options.seconds / STEP)
    waits = [
        line.pass_time(chance, stands=stands and line is lines[0] and step < steps // 10)
        for step in range(steps)
        for line in lines
    ]
    cuts = statistics.quantiles(waits, n=100)
    over = sum(load > options.capacity for load in loads)
    refused = sum(line.refused for line in lines) / (options.rate * options.seconds)
    row = f"{name:<32}{max(loads) / options.capacity:>9.0%}{over:>11}{_milliseconds(cuts[49])}{_milliseconds(cuts[98])}"
    print(f"{row}{refused:>9.2%}")


def _moved(here: Placed, there: Placed, rate: int) -> str:
    before = {part.name: shard for shard, parts in here.items() for part in parts}
    moved = [part for shard, parts in there.items() for part in parts if before[part.name] != shard]
    return f"{len(moved)} queues and parts move, with {sum(part.rate for part in moved) / rate:.1%} of the tasks"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:>9,.1f} ms"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000_000)
    parser.add_argument("--capacity", type=int, default=20_000)
    parser.add_argument("--queues", type=int, default=2_000)
    parser.add_argument("--skew", type=float, default=1.1)
    parser.add_argument("--headroom", type=float, default=0.6)
    parser.add_argument("--part", type=float, default=0.25)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
