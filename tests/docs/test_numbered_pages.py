"""The numbered pages of docs/design name files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import LINK, ROOT

PAGES = [
    ROOT / "docs" / "design" / f"{name}.md"
    for name in ("life-of-a-request", "document-to-training-row", "checkpoint-to-model-folder")
]
STEP = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^## |^`|^The |\Z)", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`(\w+)\(\)`|class\s+`(\w+)`|classes\s+`(\w+)` and `(\w+)`")

STEPS = [
    (page, int(match[1]), match[2]) for page in PAGES for match in STEP.finditer(page.read_text("utf-8"))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_steps_are_numbered_from_one(page: Path) -> None:
    numbers = [number for each, number, _ in STEPS if each == page]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 12


@pytest.mark.parametrize(
    ("page", "number", "text"), STEPS, ids=[f"{page.stem}-{number}" for page, number, _ in STEPS]
)
def test_a_step_names_functions_of_the_files_it_links_to(page: Path, number: int, text: str) -> None:
    files = [(page.parent / match["target"]).resolve() for match in LINK.finditer(text)]
    names = [name for match in NAME.finditer(text) for name in match.groups() if name]
    assert files
    assert names
    defined = {name for file in files for name in definitions(file)}
    assert set(names) <= defined, f"step {number}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_has_a_diagram(page: Path) -> None:
    assert "```mermaid\n" in page.read_text("utf-8")


def definitions(file: Path) -> set[str]:
    """Return the names of all functions and classes of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, kinds)}
