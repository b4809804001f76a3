"""Packages of npm and Debian are fetched, checked, pinned and read like wheels."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cg2_training.corpus.collect import build_corpus
from cg2_training.corpus.manifest import load_manifest
from cg2_training.corpus.packages import pin_any, pin_debian, pin_npm
from cg2_training.corpus.readers.archives import read_npm
from cg2_training.corpus.readers.debian import licence_of, parse_copyright, read_debian, spdx_of
from cg2_training.corpus.wheels import to_toml
from cg2_training.errors import CorpusError, FetchError, HashMismatchError, LicenceError, ManifestError
from tests.training.corpus.corpus_samples import make_manifest, read_lines


def script(seed: str) -> str:
    """Return JavaScript whose words depend on the seed."""
    return "".join(
        f"export function {seed}{n}(first{seed}, second{n}) {{\n  const sum{n} = first{seed} + second{n} * {n};\n"
        f"  return sum{n};\n}}\n\n"
        for n in range(8)
    )


def prose(seed: str) -> str:
    return "".join(
        f"The {seed} number {n} tells what {seed} is for, and how it is used.\n\n" for n in range(9)
    )


def write_tar(path: Path, files: dict[str, str], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def make_npm(folder: Path, name: str, files: dict[str, str], **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    description = {"name": name, "version": "1.0.0", "license": "MIT", **changes}
    inside = {"package/package.json": json.dumps(description)}
    inside |= {f"package/{path}": text for path, text in files.items()}
    return write_tar(folder / f"{name.lstrip('@').replace('/', '-')}-1.0.0.tgz", inside)


COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x

Files: *
Copyright: 2020 Someone
License: Expat

Files: src/copyleft/* src/other.c
Copyright: 2020 Other
License: GPL-2+
 Text of it.

Files: src/either.c
License: MIT or GPL-2

License: Expat
 Permission is hereby granted
"""


def make_debian(folder: Path, name: str, files: dict[str, str], copyright_text: str = COPYRIGHT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        write_tar(
            folder / f"{name}_1.0.orig.tar.gz", {f"{name}-1.0/{path}": text for path, text in files.items()}
        ),
        write_tar(folder / f"{name}_1.0-1.debian.tar.xz", {"debian/copyright": copyright_text}, "w:xz"),
    ]
    sums = "".join(
        f" {hashlib.sha256(part.read_bytes()).hexdigest()} {part.stat().st_size} {part.name}\n"
        for part in parts
    )
    dsc = folder / f"{name}_1.0-1.dsc"
    dsc.write_text(
        f"Format: 3.0 (quilt)\nSource: {name}\nVersion: 1.0-1\nChecksums-Sha256:\n{sums}Files:\n x 1 y\n"
    )
    return dsc


def test_an_npm_package_becomes_documents_under_its_name(tmp_path: Path) -> None:
    package = make_npm(
        tmp_path / "cache", "@a/b", {"lib/x.js": script("alpha"), "dist/x.min.js": script("beta")}
    )
    head = 'languages = ["javascript"]\nexclude = ["*/dist/*"]\n'
    manifest = make_manifest(tmp_path / "m.toml", to_toml(pin_npm(package)), head=head)
    build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)
    (line,) = read_lines(tmp_path / "out" / "train.jsonl")
    assert (line["path"], line["language"], line["license"]) == ("@a/b/lib/x.js", "javascript", "MIT")
    assert line["text"] == script("alpha")


def test_a_held_out_project_leaves_files_of_the_same_name_in_others(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    held = (
        to_toml(pin_npm(make_npm(cache, "held", {"lib/index.js": script("alpha")}))) + 'split = "heldout"\n'
    )
    kept = to_toml(pin_npm(make_npm(cache, "kept", {"lib/index.js": script("beta")})))
    manifest = make_manifest(tmp_path / "m.toml", held, kept, head='languages = ["javascript"]')
    build_corpus(manifest, tmp_path / "out", cache=cache, workers=1, progress=False)
    assert [line["path"] for line in read_lines(tmp_path / "out" / "train.jsonl")] == ["kept/lib/index.js"]
    assert [line["path"] for line in read_lines(tmp_path / "out" / "heldout.jsonl")] == ["held/lib/index.js"]


def test_debian_copyright_decides_for_each_file(tmp_path: Path) -> None:
    files = {
        "src/good.c": script("alpha"),
        "src/copyleft/a.c": script("beta"),
        "src/other.c": script("gamma"),
        "src/either.c": script("delta"),
    }
    dsc = make_debian(tmp_path / "cache", "x", files)
    entry = pin_debian(dsc)
    assert (entry.name, entry.version, entry.licence) == ("x", "1.0-1", "MIT")
    manifest = make_manifest(tmp_path / "m.toml", to_toml(entry), head='languages = ["c"]')
    report = build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)
    lines = {line["path"]: line["license"] for line in read_lines(tmp_path / "out" / "train.jsonl")}
    assert lines == {"x/src/good.c": "MIT", "x/src/either.c": "MIT OR LicenseRef-unknown"}
    assert report["dropped"] == {"licence": 2}


def test_documentation_is_written_to_a_separate_folder(tmp_path: Path) -> None:
    dsc = make_debian(tmp_path / "cache", "x", {"a.c": script("alpha"), "doc/guide.md": prose("guide")})
    head = 'languages = ["c"]\ndocumentation = true\n'
    manifest = make_manifest(tmp_path / "m.toml", to_toml(pin_debian(dsc)), head=head)
    out = tmp_path / "out"
    build_corpus(manifest, out, cache=tmp_path / "cache", workers=1, progress=False)
    assert [line["path"] for line in read_lines(out / "code" / "train.jsonl")] == ["x/a.c"]
    assert [line["path"] for line in read_lines(out / "text" / "train.jsonl")] == ["x/doc/guide.md"]
    assert sorted(json.loads((out / "corpus.json").read_text())["sources"]) == ["x==1.0-1", "x==1.0-1 (text)"]


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("MIT or Apache-2.0", "MIT OR Apache-2.0"),
        ("Expat and BSL-1.0", "MIT AND BSL-1.0"),
        ("GPL-2+", "LicenseRef-unknown"),
        ("Expat, and GPL-2", "MIT AND LicenseRef-unknown"),
        ("", "LicenseRef-unknown"),
    ],
)
def test_short_names_become_spdx(name: str, spdx: str) -> None:
    assert spdx_of(name) == spdx


def test_the_last_paragraph_that_matches_counts() -> None:
    paragraphs = parse_copyright(COPYRIGHT)
    assert len(paragraphs) == 3
    assert licence_of("a/b.c", paragraphs) == "MIT"
    assert licence_of("src/copyleft/deep/b.c", paragraphs) == "LicenseRef-unknown"
    assert licence_of("a", []) == "LicenseRef-unknown"


def test_a_package_of_another_licence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match=r"GPL-3\.0"):
        pin_npm(make_npm(tmp_path, "a", {}, license="GPL-3.0"))
    with pytest.raises(LicenceError, match="not on the allow-list"):
        pin_debian(
            make_debian(
                tmp_path,
                "y",
                {},
                COPYRIGHT.replace("License: Expat\n\nFiles: src", "License: GPL-3\n\nFiles: src"),
            )
        )
    entry = to_toml(pin_npm(make_npm(tmp_path / "cache", "b", {"x.js": script("a")}))).replace("MIT", "ISC")
    manifest = make_manifest(tmp_path / "m.toml", entry, head='languages = ["javascript"]')
    with pytest.raises(LicenceError, match=r"manifest records 'ISC', but package.json says 'MIT'"):
        build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)


def test_older_ways_to_declare_a_licence_are_read(tmp_path: Path) -> None:
    assert pin_npm(make_npm(tmp_path, "a", {}, license={"type": "ISC"})).licence == "ISC"
    old = make_npm(tmp_path, "b", {}, license=None, licenses=[{"type": "MIT"}, {"type": "GPL-2.0"}])
    assert pin_npm(old).licence == "MIT OR GPL-2.0"


@pytest.mark.parametrize("which", ["x_1.0-1.dsc", "x_1.0.orig.tar.gz"])
def test_other_bytes_are_refused(tmp_path: Path, which: str) -> None:
    dsc = make_debian(tmp_path / "cache", "x", {"a.c": script("alpha")})
    manifest = make_manifest(tmp_path / "m.toml", to_toml(pin_debian(dsc)), head='languages = ["c"]')
    with (tmp_path / "cache" / which).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(HashMismatchError, match="sha256"):
        build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)


def test_damaged_files_are_reported_in_one_sentence(tmp_path: Path) -> None:
    package = make_npm(tmp_path, "a", {"x.js": script("a")})
    package.write_bytes(package.read_bytes()[:60])
    with pytest.raises(FetchError, match=r"damaged|not an npm package"):
        list(read_npm(package, lambda _: True))
    dsc = make_debian(tmp_path, "x", {"a.c": script("alpha")})
    archive = tmp_path / "x_1.0.orig.tar.gz"
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(CorpusError, match="damaged"):
        list(read_debian(dsc, lambda _: True))
    dsc.write_text("Version: 1\n")
    with pytest.raises(FetchError, match="is not a Debian source package"):
        list(read_debian(dsc, lambda _: True))


def test_packages_are_fetched_with_their_own_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = make_npm(tmp_path / "index", "a", {"x.js": script("a")})
    dsc = make_debian(tmp_path / "index", "x", {"a.c": script("alpha")})
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if "update" not in command:
            wanted = [npm] if command[1] == "pack" else [dsc, *dsc.parent.glob("x_*.tar.*")]
            for path in wanted:
                shutil.copy(path, options["cwd"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("cg2_training.corpus.packages.subprocess.run", run)
    monkeypatch.setattr("cg2_training.corpus.packages.shutil.which", lambda name: name)
    tables = pin_any(["npm:a", "debian:x"], tmp_path / "pins")
    manifest = make_manifest(tmp_path / "m.toml", tables, head='languages = ["javascript", "c"]')
    assert {one.kind for one in load_manifest(manifest).packages} == {"npm", "debian"}
    commands.clear()
    report = build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)
    assert report["files"]["train"] == 2
    assert commands[0][:3] == ["npm", "pack", "--ignore-scripts"]
    assert commands[0][-1] == "a@1.0.0"
    assert {"source", "--download-only", "x=1.0-1"} <= set(commands[-1])
    commands.clear()
    build_corpus(manifest, tmp_path / "out", cache=tmp_path / "cache", workers=1, progress=False)
    assert not commands, "what is in the cache is not fetched again"


def test_a_missing_tool_is_reported_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cg2_training.corpus.packages.shutil.which", lambda _: None)
    for requirement in ("npm:a", "debian:a"):
        with pytest.raises(FetchError, match=r"install Node\.js|apt-get is missing"):
            pin_any([requirement], tmp_path)


def test_an_unknown_language_in_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="`languages` must be a list of some of"):
        load_manifest(make_manifest(tmp_path / "m.toml", head='languages = ["cobol"]'))
