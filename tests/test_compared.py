"""Every row of the comparison names the tests that show it, and those have tests in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "compared.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_exist(row: list[str]) -> None:
    _, here, shown_by = row
    files = [(PAGE.parent / path).resolve() for path in re.findall(r"\]\(([^)]+)\)", shown_by)]
    assert here
    assert files, "it names the tests that show it"
    for file in files:
        assert re.search(r"^ *(async )?def test_\w+\(", file.read_text(encoding="utf-8"), re.MULTILINE), file


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 20
