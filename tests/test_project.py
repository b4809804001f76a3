"""README, packages and editors agree with cg2ls/project.py, the one place of the address and of "published"."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cg2ls import __version__
from cg2ls.project import IS_PUBLISHED, REPOSITORY

ROOT = Path(__file__).parents[1]
PACKAGE: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTENSION: dict[str, Any] = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text("utf-8"))
PAGES = [ROOT / "README.md", ROOT / "docs" / "user" / "install.md"]
INSTALLERS = ("uv tool install", "pipx install", "pip install")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("installer", INSTALLERS)
def test_each_installer_takes_the_package_from_where_it_is(page: Path, installer: str) -> None:
    source = "cg2ls[cpu]" if IS_PUBLISHED else ".[cpu]"
    assert f"    {installer} '{source}'" in page.read_text("utf-8")


def test_a_wheel_is_named_as_it_is_built() -> None:
    for page in PAGES:
        for name in re.findall(r"cg2ls-[\d.]+-py3-none-any\.whl", page.read_text("utf-8")):
            assert name == f"cg2ls-{__version__}-py3-none-any.whl"


def test_packages_name_the_repository_or_nothing() -> None:
    urls = PACKAGE.get("urls", {})
    assert urls.get("Repository", "") == REPOSITORY
    repository = EXTENSION.get("repository", {})
    assert repository.get("url", "") == REPOSITORY
    assert not REPOSITORY or REPOSITORY.startswith("https://")


def test_all_packages_have_one_version() -> None:
    assert PACKAGE["version"] == EXTENSION["version"] == __version__


def test_the_changelog_begins_with_this_version() -> None:
    for path in (ROOT / "CHANGELOG.md", ROOT / "editors" / "vscode" / "CHANGELOG.md"):
        first = re.search(r"^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$", path.read_text("utf-8"), re.M)
        assert first, path
        assert first[1] == __version__
        assert not (IS_PUBLISHED and first[2] == "unreleased")


def test_every_extra_is_described() -> None:
    page = PAGES[1].read_text("utf-8")
    hidden = {"dev", "reference", "llamacpp"}
    assert [
        name
        for name in PACKAGE["optional-dependencies"]
        if f"| `{name}` |" not in page and name not in hidden
    ] == []
