"""A model folder to damage, and a separate user."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A valid model folder for this test only."""
    return Path(shutil.copytree(tiny_model, tmp_path / "given"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data folder of a user without any files; there is no shipped model."""
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cg2ls.models.folder.locations.SHIPPED_DEFAULT", tmp_path / "shipped")
    return tmp_path / "home"
