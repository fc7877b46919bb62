"""What is drawn: bars of what ended when. Numbers for an SVG, no markup. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterwards.dashboard.sampling import Slot

WIDTH, HEIGHT = 600, 96
GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One slot: failures stand on top of what was done."""

    x: float
    width: float
    done_y: float
    done_height: float
    failed_y: float
    failed_height: float
    slot: Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The bars, and the number that the highest stands for."""

    bars: Sequence[Bar]
    highest: int
    done: int
    failed: int


def chart(slots: Sequence[Slot]) -> Chart:
    """Bars of one height for one number."""
    highest = max((slot.done + slot.failed for slot in slots), default=0)
    return Chart(
        bars=[_bar(slot, number, len(slots), max(highest, 1)) for number, slot in enumerate(slots)],
        highest=highest,
        done=sum(slot.done for slot in slots),
        failed=sum(slot.failed for slot in slots),
    )


def _bar(slot: Slot, number: int, count: int, highest: int) -> Bar:
    step = WIDTH / count
    done, failed = (HEIGHT * many / highest for many in (slot.done, slot.failed))
    return Bar(
        x=round(number * step, 2),
        width=round(step - GAP, 2),
        done_y=round(HEIGHT - done, 2),
        done_height=round(done, 2),
        failed_y=round(HEIGHT - done - failed, 2),
        failed_height=round(failed, 2),
        slot=slot,
    )
