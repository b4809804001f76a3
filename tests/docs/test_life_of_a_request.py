"""The life of a request names files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import LINK, ROOT

PAGE = ROOT / "docs" / "design" / "life-of-a-request.md"
STEP = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^## |^`|\Z)", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`(\w+)\(\)`|class\s+`(\w+)`")

STEPS = [(int(match[1]), match[2]) for match in STEP.finditer(PAGE.read_text("utf-8"))]


def test_steps_are_numbered_from_one_on() -> None:
    assert [number for number, _ in STEPS] == list(range(1, len(STEPS) + 1))
    assert len(STEPS) > 12


@pytest.mark.parametrize(("number", "text"), STEPS)
def test_a_step_names_functions_of_the_files_it_links_to(number: int, text: str) -> None:
    files = [(PAGE.parent / match["target"]).resolve() for match in LINK.finditer(text)]
    names = [match[1] or match[2] for match in NAME.finditer(text)]
    assert files
    assert names
    defined = {name for file in files for name in definitions(file)}
    assert set(names) <= defined, f"step {number}"


def test_the_page_has_a_diagram() -> None:
    assert "```mermaid\n" in PAGE.read_text("utf-8")


def definitions(file: Path) -> set[str]:
    """Return the names of all functions and classes of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, kinds)}
