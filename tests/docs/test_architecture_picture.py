"""The picture of the packages is up to date, and modules import each other in no new cycle."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT
from tools.import_graph import cycles, import_graph

REMAINING = {"cg2ls.completion", "cg2ls.server", "cg2_training.objective", "cg2ls.models.codegen2"}
"""Packages whose modules import each other in a cycle; nothing may be added."""


def test_the_picture_is_up_to_date() -> None:
    command = [sys.executable, "tools/architecture.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_do_not_import_each_other() -> None:
    found = [cycle for cycle in cycles(import_graph()) if cycle[0].rpartition(".")[0] not in REMAINING]
    assert found == []


def test_a_cycle_would_be_noticed() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert cycles(graph) == [["a", "b", "c"], ["e", "f"]]
