"""Links between pages have targets, and every named path of the repository exists."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, name_of, tracked_files

FOLDERS = "cg2ls|quantize|training|editors|tests|tools|docs|constraints|\\.ci|\\.github"
PATH = re.compile(rf"(?<![\w./~*-])(?:{FOLDERS})/[\w./*-]*[\w/*]")
SHORT_PATH = re.compile(r"`([a-z_0-9/]+\.py)`")
"""A file of Python in code font, by its name alone or with the folders that the page does not say before."""

DOCS_PATH = re.compile(r"(?<![\w./~*-])docs/[\w./-]+\.(?:md|svg|png)\b")

MADE = {
    "editors/vscode/cg2ls-*.vsix": "`make vsix` writes it",
    "docs/user/editors/NAME.md": "a placeholder",
    "cg2ls/status": "a message of the protocol",
    "cg2ls/documents": "a message of the protocol",
    "remote_session.py": "`cg2-train pack` writes it",
    "lease.py": "its former name",
}
"""Names that look like paths but are in no clone, and what they are."""

CODE = (".py", ".lua", ".ts", ".mjs", ".json", ".toml", ".txt", ".yml", ".sh")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in links(page):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name_of(page)} links to {target}"
        assert not heading or heading in anchors(file), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_of_the_repository_exist(page: Path) -> None:
    folder = f"{page.parent.relative_to(ROOT).as_posix()}/".removeprefix("./")
    made = MADE.keys() | {block.text.partition("\n")[0].removeprefix("# ") for block in blocks(page)}
    for path in PATH.findall(page.read_text("utf-8")):
        assert path in made or exists(path) or exists(folder + path), f"{name_of(page)} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_python_that_are_named_in_short_exist(page: Path) -> None:
    made = MADE.keys() | {block.text.partition("\n")[0].rpartition("/")[2] for block in blocks(page)}
    ends = {f"/{name}" for name in tracked_files()}
    for path in SHORT_PATH.findall(page.read_text("utf-8")):
        known = path in made or any(name.endswith(f"/{path}") for name in ends)
        assert known, f"{name_of(page)} names {path}"


def test_pages_that_code_names_exist() -> None:
    unknown = {
        f"{name}: {page}"
        for name in tracked_files()
        if name.endswith(CODE) and not name.startswith("docs/") and (ROOT / name).is_file()
        for page in DOCS_PATH.findall((ROOT / name).read_text("utf-8", errors="replace"))
        if not (ROOT / page).is_file() and not name.startswith("tests/docs/")
    }
    assert not unknown


def test_every_page_is_linked_from_another() -> None:
    linked = {(page.parent / target.partition("#")[0]).resolve() for page in PAGES for target in links(page)}
    lonely = [name_of(page) for page in (ROOT / "docs").rglob("*.md") if page not in linked]
    assert lonely == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [("tools/demo.py", True), ("tools/de*.py", True), ("tools", True), ("tools/no.py", False)],
)
def test_a_path_that_does_not_exist_would_be_noticed(path: str, expected: bool) -> None:
    assert exists(path) is expected


def exists(path: str) -> bool:
    """Tell whether a file, a folder, or a file that fits a pattern belongs to the repository."""
    wanted = path.rstrip("/")
    return any(
        name == wanted or name.startswith(f"{wanted}/") or ("*" in wanted and fnmatch(name, wanted))
        for name in tracked_files()
    )
