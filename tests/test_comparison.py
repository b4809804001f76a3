"""docs/reference/comparison.md claims nothing that no test shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "comparison.md"
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| feature")
]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_the_page_has_rows_with_yes_or_no():
    assert len(ROWS) > 40
    assert {row[1] for row in ROWS} == {"yes", "no"}


@pytest.mark.parametrize("row", [row for row in ROWS if row[1] == "yes"], ids=lambda row: row[0])
def test_every_yes_names_an_existing_test(row):
    found = TEST.fullmatch(row[2])
    assert found, f"{row[0]}: name the test as `tests/…py::test_…`"
    path, name = ROOT / found[1], found[2]
    assert path.is_file()
    assert re.search(rf"^def {name}\(", path.read_text("utf-8"), re.MULTILINE)


def test_missing_features_name_no_test():
    assert not [row[0] for row in ROWS if row[1] == "no" and TEST.search(row[2])]
