"""Chance of our own, so that many processes do not all do one thing at the same moment.

It is not Python's global `random`: an app that seeds that, as for repeatable results, would put its whole fleet in
step, and our draws would disturb its sequence. Nor does it keep a state, which a fork would give to every child.
"""

from __future__ import annotations

import random

_DICE = random.SystemRandom()


def draw() -> float:
    """From 0, and less than 1."""
    return _DICE.random()


def jittered(seconds: float, *, least: float = 0.5) -> float:
    """Between the share `least` of `seconds` and all of it."""
    return seconds * _DICE.uniform(least, 1.0)
