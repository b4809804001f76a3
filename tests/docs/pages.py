"""The documentation's pages, their links, code blocks and commands, as tests read them."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "editors").glob("*.md"),
        *(ROOT / "editors").glob("*/*.md"),
        *(ROOT / "editors" / "vscode" / "media").glob("*.md"),
        *(ROOT / "tests" / "data").rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        ROOT / "cg2ls" / "default" / "README.md",
    ]
)

FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        language: the word after the fence.
        text: the code.
    """

    language: str
    text: str


def name_of(page: Path) -> str:
    """Return a page's path from the root, as tests print it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced code blocks in their order."""
    return [Block(match["language"], match["text"]) for match in FENCED.finditer(page.read_text("utf-8"))]


def example(page: Path, path: str) -> str:
    """Return the code block whose first line is the comment `# PATH`, as a file with that path would contain it."""
    found = [block.text for block in blocks(page) if block.text.startswith(f"# {path}\n")]
    assert len(found) == 1, f"{name_of(page)} has {len(found)} blocks that begin with `# {path}`"
    return found[0]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures that are in the repository; code does not count."""
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text("utf-8")))
    found = [match["target"] for match in LINK.finditer(text)]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    return {anchor(match[1]) for match in HEADING.finditer(FENCED.sub("", page.read_text("utf-8")))}


def anchor(heading: str) -> str:
    """Return the anchor of one heading."""
    kept = [
        letter
        for letter in heading.strip().lower()
        if letter in " -_" or unicodedata.category(letter)[0] in "LNM"
    ]
    return "".join(kept).replace(" ", "-")


@cache
def tracked_files() -> frozenset[str]:
    """Return the paths of all files that belong to the repository, without what builds and tests make."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(listed.stdout.splitlines())
