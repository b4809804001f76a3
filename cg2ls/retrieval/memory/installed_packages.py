"""Find a workspace's installed packages and their files to read, without running anything."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.workspace import ReadingRules, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cg2ls.retrieval.memory.read_workspace import Stamp

ENVIRONMENTS = (".venv", "venv")
"""Usual names of a workspace's virtual environment."""

ENVIRONMENT_FILE = "pyvenv.cfg"
"""Name of a file in every virtual environment (PEP 405)."""

INSTALLERS = ("/pip/", "/setuptools/", "/pkg_resources/", "/wheel/", "/_distutils_hack/")
"""Patterns of packages that every environment has."""

MAX_BYTES = 40_000_000
"""Source text of installed packages that is read: about ten million tokens, 60 MB of index."""

SCRIPTS = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Installed:
    """Installed packages of one folder.

    Attributes:
        workspace: the folder, `site-packages` or `node_modules`, with its rules for reading.
        direct: names in it that the workspace itself requires; they are read first.
    """

    workspace: Workspace
    direct: frozenset[str]

    def choose(self, files: Mapping[str, Stamp]) -> dict[str, Stamp]:
        """Choose the files to read: direct dependencies, then small packages before large ones, up to MAX_BYTES.

        Args:
            files: stamps by path, relative to the folder.
        """
        sizes: dict[str, int] = defaultdict(int)
        for path, stamp in files.items():
            sizes[_package(path)] += stamp.size

        def rank(path: str) -> tuple[bool, int, str]:
            package = _package(path)
            return package not in self.direct, sizes[package], path

        room, found = MAX_BYTES, {}
        for path in sorted(files, key=rank):
            room -= files[path].size
            if room < 0:
                break
            found[path] = files[path]
        return found


def installed(root: Path, language: str, environment: Mapping[str, str] = os.environ) -> Installed | None:
    """Return a workspace's installed packages for a language; None if nothing is found.

    Args:
        root: the workspace's folder.
        language: LSP id.
        environment: variables; VIRTUAL_ENV names an environment if the workspace has none.
    """
    if language == "python":
        found = (_site_packages(folder, root) for folder in _environments(root, environment))
        return next((each for each in found if each is not None), None)
    return _node_modules(root) if language in SCRIPTS else None


def _environments(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield folders that may be the workspace's virtual environment, the most probable first."""
    yield from (root / name for name in ENVIRONMENTS)
    pyright = _table(_table(_project(root), "tool"), "pyright")  # Pyright's own setting
    named = pyright.get("venv")
    if isinstance(named, str):
        yield root / str(pyright.get("venvPath", ".")) / named
    if active := environment.get("VIRTUAL_ENV"):
        yield Path(active)


def _site_packages(folder: Path, root: Path) -> Installed | None:
    try:
        if not (folder / ENVIRONMENT_FILE).is_file():
            return None
        places = [*folder.glob("lib/python3*/site-packages"), folder / "Lib" / "site-packages"]
        place = next((each for each in sorted(places, reverse=True) if each.is_dir()), None)
    except OSError:
        return None
    return None if place is None else Installed(_readable(place, INSTALLERS), _required(root, place))


def _required(root: Path, place: Path) -> frozenset[str]:
    """Return the top-level names that the packages of pyproject.toml installed."""
    project = _table(_project(root), "project")
    named = _names(project.get("dependencies"))
    for extra in _table(project, "optional-dependencies").values():
        named |= _names(extra)
    for group in _table(_project(root), "dependency-groups").values():
        named |= _names(group)
    found: set[str] = set()
    for each in distributions(path=[str(place)]) if named else ():
        if _plain(each.name or "") in named:
            found |= {file.parts[0] for file in each.files or () if file.parts[0] != ".."}
    return frozenset(found)


def _node_modules(root: Path) -> Installed | None:
    """Return the packages that package.json names, without their own dependencies."""
    folder = root / "node_modules"
    try:
        described: Any = json.loads((root / "package.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    described = described if isinstance(described, dict) else {}
    named = {**_table(described, "dependencies"), **_table(described, "devDependencies")}
    direct = sorted(name for name in named if re.fullmatch(r"(@[\w.-]+/)?[\w.-]+", name))
    if not direct or not folder.is_dir():
        return None
    scopes = sorted({name.partition("/")[0] for name in direct if "/" in name})
    inside = [*(line for scope in scopes for line in (f"!/{scope}/", f"/{scope}/*"))]
    exclude = ("/*", *inside, *(f"!/{name}/" for name in direct))
    return Installed(_readable(folder, exclude), frozenset(direct))


def _readable(folder: Path, exclude: tuple[str, ...]) -> Workspace:
    """Return the workspace of the packages; git's ignore rules do not apply to installed files."""
    rules = ReadingRules(exclude=exclude, gitignore=False, max_files=50_000, max_entries=500_000)
    return Workspace(folder, rules)


def _package(path: str) -> str:
    first, _, rest = path.partition("/")
    return f"{first}/{rest.partition('/')[0]}" if first.startswith("@") else first


def _project(root: Path) -> dict[str, Any]:
    """Return pyproject.toml's content; empty if it cannot be read."""
    try:
        return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _table(of: dict[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _names(requirements: object) -> set[str]:
    """Return the normalized names (PEP 503) of PEP 508 requirements."""
    lines = requirements if isinstance(requirements, list) else []
    found = (_NAME.match(line.strip()) for line in lines if isinstance(line, str))
    return {_plain(name.group()) for name in found if name}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
