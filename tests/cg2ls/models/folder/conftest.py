"""A model folder to damage, and a user of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A sound model folder of this test's own."""
    return Path(shutil.copytree(tiny_model, tmp_path / "given"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has nothing yet, without a shipped model."""
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cg2ls.models.folder.locations.SHIPPED_DEFAULT", tmp_path / "shipped")
    return tmp_path / "home"
