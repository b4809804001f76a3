"""The picture of the packages is up to date, and no modules import each other in a cycle."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT
from tools.import_graph import cycles, import_graph


def test_the_picture_is_up_to_date() -> None:
    command = [sys.executable, "tools/architecture.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_do_not_import_each_other() -> None:
    assert cycles(import_graph()) == []


def test_a_cycle_would_be_noticed() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert cycles(graph) == [["a", "b", "c"], ["e", "f"]]
