from pathlib import Path

import pytest

from cg2_training.corpus.licences import is_allowed
from cg2_training.corpus.manifest import load_manifest

MANIFESTS = Path(__file__).parents[3] / "training" / "manifests"
MANIFEST = MANIFESTS / "python-permissive.toml"


def test_the_shipped_manifest_loads_and_holds_six_packages_out():
    manifest = load_manifest(MANIFEST)
    held = {package.name for package in manifest.packages if package.split == "heldout"}
    assert held == {"arrow", "httpx", "marshmallow", "more-itertools", "structlog", "tenacity"}
    assert manifest.stdlib
    assert len(manifest.packages) > 90
    assert "://" not in MANIFEST.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "kind", "packages", "held_out"),
    [
        (
            "javascript-permissive",
            "npm",
            70,
            {"luxon", "prosemirror-model", "redux", "superagent", "ws"},
        ),
        (
            "systems-permissive",
            "debian",
            35,
            {"cmark", "fzf", "golang-github-urfave-cli", "jansson", "pugixml", "rust-bat", "rust-fd-find"},
        ),
    ],
)
def test_the_other_manifests_load_and_hold_whole_projects_out(
    name: str, kind: str, packages: int, held_out: set[str]
) -> None:
    path = MANIFESTS / f"{name}.toml"
    manifest = load_manifest(path)
    assert {package.name for package in manifest.packages if package.split == "heldout"} == held_out
    assert {package.kind for package in manifest.packages} == {kind}
    assert len(manifest.packages) > packages
    assert all(is_allowed(package.licence) for package in manifest.packages)
    assert not manifest.stdlib
    assert "://" not in path.read_text(encoding="utf-8")
