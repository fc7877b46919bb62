"""The results as a person reads them: a table for each workload, medians of the rounds, and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from measuring.sizes import Figures

DASH = "–"
LONGEST_NOTE = 400  # the whole is in the results


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What the rounds of one system under one workload came to; `trouble`: why some, or all, are missing."""

    rounds: tuple[Figures, ...] = ()
    trouble: str | None = None
    refused: bool = False

    def with_round(self, figures: Figures) -> Cell:
        """One more."""
        return replace(self, rounds=(*self.rounds, figures))

    def with_refused(self, reason: str) -> Cell:
        """One that does not count."""
        return replace(self, trouble=reason, refused=True)

    def median(self, figure: str) -> float | None:
        """None if no round has this figure."""
        values = [one[figure] for one in self.rounds if figure in one]
        return statistics.median(values) if values else None


def table(workload: str, cells: Mapping[str, Cell], yardstick: str | None) -> str:
    """`cells` by the name of their system. The ratio is of the first figure, to that of the yardstick."""
    figures = list(dict.fromkeys(figure for cell in cells.values() for one in cell.rounds for figure in one))
    if not figures:
        return "\n".join([f"{workload}: no figures", *_notes(cells)])
    with_figure = [name for name, cell in cells.items() if cell.median(figures[0]) is not None]
    against = yardstick if yardstick in with_figure else with_figure[0]
    headings = ["ratio", *figures]
    rows = [
        [_ratio(cell, cells[against], figures[0]), *(_number(cell.median(figure)) for figure in figures)]
        for cell in cells.values()
    ]
    widths = [max(len(row[place]) for row in [headings, *rows]) for place in range(len(headings))]
    first = max(map(len, [*cells, workload]))
    lines = [
        name.ljust(first) + "".join(f"  {text.rjust(width)}" for text, width in zip(row, widths, strict=True))
        for name, row in zip([workload, *cells], [headings, *rows], strict=True)
    ]
    return "\n".join([*lines, f"ratio: of {figures[0]} to that of {against}", *_notes(cells)])


def _ratio(cell: Cell, against: Cell, figure: str) -> str:
    mine, its = cell.median(figure), against.median(figure)
    return DASH if mine is None or not its else f"{mine / its:.2f}"


def _number(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _notes(cells: Mapping[str, Cell]) -> list[str]:
    return [f"{name}: {cell.trouble[:LONGEST_NOTE]}" for name, cell in cells.items() if cell.trouble]
