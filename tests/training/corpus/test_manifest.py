from pathlib import Path

from cg2_training.corpus.manifest import load_manifest

MANIFEST = Path(__file__).parents[3] / "training" / "manifests" / "python-permissive.toml"


def test_the_shipped_manifest_loads_and_holds_six_packages_out():
    manifest = load_manifest(MANIFEST)
    held = {package.name for package in manifest.packages if package.split == "heldout"}
    assert held == {"arrow", "httpx", "marshmallow", "more-itertools", "structlog", "tenacity"}
    assert manifest.stdlib
    assert len(manifest.packages) > 90
    assert "://" not in MANIFEST.read_text(encoding="utf-8")
