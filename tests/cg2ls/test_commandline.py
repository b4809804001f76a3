"""Columns line up."""

from __future__ import annotations

from cg2ls.commandline import aligned


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("name", "MB", "use"), ("a", "1.5", ""), ("longer", "12.0", "all")]
    assert aligned(rows, right={1}).splitlines() == [
        "name      MB  use",
        "a        1.5",
        "longer  12.0  all",
    ]
