"""Installed packages are found without running anything, and distinguished from the workspace's files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory import installed_packages as module
from cg2ls.retrieval.memory.installed_packages import installed
from cg2ls.retrieval.memory.read_workspace import Stamp, listing
from cg2ls.retrieval.memory.store import Store
from cg2ls.retrieval.memory.vote_mixture import INSTALLED, WORKSPACE, Votes, shipped
from cg2ls.workspace import Workspace


def environment(folder: Path, **packages: str) -> Path:
    """A virtual environment with packages of one module each; returns its site-packages."""
    place = folder / "lib/python3.12/site-packages"
    place.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (folder / ".gitignore").write_text("*\n")  # as venv and uv write it
    for name, text in packages.items():
        (place / name).mkdir()
        (place / name / "__init__.py").write_text(text)
    return place


def names(root: Path, language: str = "python", **variables: str) -> list[str]:
    found = installed(root, language, variables)
    return sorted(found.choose(listing(found.workspace, language))) if found else []


@pytest.mark.parametrize("folder", [".venv", "venv"])
def test_the_workspaces_own_environment_is_found(repository: Path, folder: str) -> None:
    (repository / ".git").mkdir()
    (repository / ".gitignore").write_text(f"{folder}/\nlib/\n")
    environment(repository / folder, helpful="def assist_gladly(): ...\n", pip="def install(): ...\n")
    assert names(repository) == ["helpful/__init__.py"]


def test_an_active_environment_counts_where_the_workspace_has_none(repository: Path, tmp_path: Path) -> None:
    environment(tmp_path / "active", one="a = 1\n")
    assert names(repository, VIRTUAL_ENV=str(tmp_path / "active")) == ["one/__init__.py"]
    environment(repository / ".venv", two="b = 1\n")
    assert names(repository, VIRTUAL_ENV=str(tmp_path / "active")) == ["two/__init__.py"]


def test_the_environment_that_pyproject_names_for_pyright_is_found(repository: Path) -> None:
    environment(repository / "envs/work", one="a = 1\n")
    (repository / "pyproject.toml").write_text('[tool.pyright]\nvenvPath = "envs"\nvenv = "work"\n')
    assert names(repository) == ["one/__init__.py"]


@pytest.mark.parametrize("text", ["", "[tool", "tool = 1\nproject = 2\n", "[project]\ndependencies = 3\n"])
def test_pyproject_without_useful_fields_is_skipped(repository: Path, text: str) -> None:
    (repository / "pyproject.toml").write_text(text)
    assert names(repository) == []
    environment(repository / ".venv", one="a = 1\n")
    assert names(repository) == ["one/__init__.py"]


def test_a_folder_without_the_mark_of_an_environment_is_none(repository: Path) -> None:
    environment(repository / ".venv", one="a = 1\n")
    (repository / ".venv/pyvenv.cfg").unlink()
    assert names(repository) == []


def test_the_rules_for_content_apply_to_packages_too(repository: Path) -> None:
    place = environment(repository / ".venv", one="a = 1\n", many="pass\n")
    (place / "many/keys.py").write_text('AWS = "AKIA' + "QRSTUVWXYZABCDEF" + '"\n')
    (place / "many/huge.py").write_text("x = 1\n" * 300_000)
    (place / "link.py").symlink_to(repository / "shop/orders.py")
    found = installed(repository, "python", {})
    assert found
    refused: list[str] = []
    readable = listing(found.workspace, "python", lambda refusal: refused.append(refusal.reason))
    assert refused == ["link"]
    assert sorted(readable) == ["many/__init__.py", "many/huge.py", "many/keys.py", "one/__init__.py"]


def test_requested_and_small_packages_are_read_first(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = environment(repository / ".venv", small="a = 1\n", large="b = 1\n", wanted="c = 1\n")
    (place / "Wanted_Thing-1.0.dist-info").mkdir()
    (place / "Wanted_Thing-1.0.dist-info/METADATA").write_text("Name: Wanted_Thing\nVersion: 1.0\n")
    (place / "Wanted_Thing-1.0.dist-info/RECORD").write_text("../../bin/wanted,,\nwanted/__init__.py,,\n")
    (repository / "pyproject.toml").write_text('[project]\ndependencies = ["wanted.thing[fast] >= 1; a"]\n')
    found = installed(repository, "python", {})
    assert found
    assert found.direct == {"wanted"}
    sizes = {"large/a.py": 60, "small/a.py": 10, "small/b.py": 10, "wanted/a.py": 50}
    stamps = {path: Stamp(0, size) for path, size in sizes.items()}
    assert list(found.choose(stamps)) == ["wanted/a.py", "small/a.py", "small/b.py", "large/a.py"]
    monkeypatch.setattr(module, "MAX_BYTES", 75)
    assert list(found.choose(stamps)) == ["wanted/a.py", "small/a.py", "small/b.py"]


def test_of_node_modules_only_what_package_json_names_is_read(repository: Path) -> None:
    for name in ("react", "@scope/used", "@scope/unused", "hidden", "react/node_modules/inner"):
        folder = repository / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "index.js").write_text("export const value = 1\n")
    described = {"dependencies": {"react": "1", "../up": "1"}, "devDependencies": {"@scope/used": "2"}}
    (repository / "package.json").write_text(json.dumps(described))
    assert names(repository, "javascript") == ["@scope/used/index.js", "react/index.js"]
    assert names(repository) == [], "another language has another place"
    for broken in ("{", "[]", '{"dependencies": []}'):
        (repository / "package.json").write_text(broken)
        assert names(repository, "javascript") == []


@pytest.fixture
def memory(repository: Path, tokenizer: CodeTokenizer, tmp_path: Path) -> Memory:
    environment(repository / ".venv", helpful="def assist_very_gladly(customer):\n    return customer\n")
    store = Store.of(repository, "python", tokenizer, tmp_path / "cache")
    found = installed(repository, "python", {})
    made = Memory(Workspace(repository), "python", tokenizer, store=store, installed=found)
    made.refresh()
    return made


def test_package_names_are_recognized(memory: Memory, tokenizer: CodeTokenizer) -> None:
    text = "import helpful\n\nhelpful.assist_very_"
    prior = memory.prior("main.py", text, len(text))
    assert prior
    evidence = prior.evidence([])
    best = int(evidence.votes.lengths.argmax())
    assert "gladly".startswith(tokenizer.decode([int(evidence.votes.tokens[best])]))
    assert evidence.votes.sources[best] == INSTALLED
    assert (
        prior.parts[int(evidence.parts[best])].file_name(int(evidence.files[best])) == "helpful/__init__.py"
    )
    assert memory.installed_tokens > 0
    own = Memory(memory.workspace, "python", tokenizer, store=memory.store)
    own.refresh()
    assert own.indexed_tokens == memory.indexed_tokens


def test_later_installed_packages_count_after_a_refresh(
    memory: Memory, repository: Path, tokenizer: CodeTokenizer
) -> None:
    before = memory.installed_tokens
    place = repository / ".venv/lib/python3.12/site-packages"
    (place / "later.py").write_text("def come_lately(): ...\n")
    memory.refresh()
    assert memory.installed_tokens > before


def test_a_package_weighs_less_than_the_workspaces_own_files() -> None:
    def votes(source: int) -> Votes:
        return Votes(np.array([3]), np.array([9]), np.array([source]))

    logits = np.zeros(50, np.float32)
    own, theirs = (shipped().mix(votes(source), logits)[3] for source in (WORKSPACE, INSTALLED))
    assert own > theirs > logits[3] - np.log(50)
