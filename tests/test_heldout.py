"""The manifests under tools/: no repository of the evaluation is in training data."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2_training.corpus.manifest import load_manifest

ROOT = Path(__file__).parents[1]
SETS = ("heldout", "untuned", "other_languages")


@pytest.mark.parametrize("name", SETS)
def test_no_repository_is_in_a_training_manifest(name):
    measured = load_manifest(ROOT / "tools" / f"{name}.toml").packages
    assert len(measured) >= 5
    for manifest in sorted((ROOT / "training" / "manifests").glob("*.toml")):
        trained = [one for one in load_manifest(manifest).packages if one.split == "train"]
        assert not {one.name for one in measured} & {one.name for one in trained}, manifest
        assert not {one.sha256 for one in measured} & {one.sha256 for one in trained}, manifest


def test_sets_share_no_repository():
    names = [one.name for name in SETS for one in load_manifest(ROOT / "tools" / f"{name}.toml").packages]
    assert len(names) == len(set(names))
