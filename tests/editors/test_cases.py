"""The table of editors/README.md names existing tests."""

from __future__ import annotations

from pathlib import Path

import pytest

EDITORS = Path(__file__).parents[2] / "editors"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (EDITORS / "README.md").read_text("utf-8").splitlines()
    if line.startswith("|") and line.count("|") == 4
]
TABLE = [row for row in ROWS if row[0] not in ("case", "---")]
VSCODE, NEOVIM = (
    "".join(path.read_text("utf-8") for path in sorted((EDITORS / folder).glob(pattern)))
    for folder, pattern in (("vscode/test/editor", "*.test.ts"), ("neovim/tests", "test_*.lua"))
)


def test_the_page_has_the_table():
    assert len(TABLE) > 15


@pytest.mark.parametrize(("case", "vscode", "neovim"), TABLE)
def test_each_case_names_its_tests(case: str, vscode: str, neovim: str):
    assert not vscode or f'"{vscode}"' in VSCODE, case
    assert neovim.startswith("(") or f"{neovim}'," in NEOVIM, case
