"""tools/heldout.toml: what is measured on was never trained on."""

from __future__ import annotations

from pathlib import Path

from cg2_training.corpus.manifest import load_manifest

ROOT = Path(__file__).parents[1]


def test_no_repository_is_in_a_training_manifest():
    measured = load_manifest(ROOT / "tools" / "heldout.toml").packages
    assert len(measured) >= 5
    for manifest in sorted((ROOT / "training" / "manifests").glob("*.toml")):
        trained = load_manifest(manifest).packages
        assert not {one.name for one in measured} & {one.name for one in trained}, manifest
        assert not {one.sha256 for one in measured} & {one.sha256 for one in trained}, manifest
