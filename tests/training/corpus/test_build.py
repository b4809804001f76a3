import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cg2_training.corpus.collect import build_corpus
from cg2_training.errors import HashMismatchError, LicenceError, ManifestError
from tests.training.corpus.corpus_samples import make_manifest, make_wheel, module, pinned, read_lines


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def build(tmp_path, cache, *entries, head="", out="out"):
    manifest = make_manifest(tmp_path / "manifest.toml", *entries, head=head)
    report = build_corpus(manifest, tmp_path / out, cache=cache, workers=1, progress=False)
    return report, tmp_path / out


def test_lines_carry_text_path_source_language_and_license(tmp_path, cache):
    wheel = make_wheel(cache, "alpha", {"alpha/core.py": module("core").replace("\n", "\r\n")})
    report, out = build(tmp_path, cache, pinned(wheel))
    assert read_lines(out / "train.jsonl") == [
        {
            "text": module("core"),
            "path": "alpha/core.py",
            "source": "alpha==1.0",
            "language": "python",
            "license": "MIT",
        }
    ]
    assert read_lines(out / "heldout.jsonl") == []
    recorded = json.loads((out / "corpus.json").read_text())
    assert (
        recorded["manifest_sha256"] == hashlib.sha256((tmp_path / "manifest.toml").read_bytes()).hexdigest()
    )
    assert recorded["files"] == report["files"] == {"heldout": 0, "train": 1}
    assert recorded["bytes"]["train"] == len(module("core"))
    assert recorded["sources"]["alpha==1.0"]["read_files"] == 1
    assert sorted(p.name for p in out.iterdir()) == ["corpus.json", "heldout.jsonl", "train.jsonl"]


def test_wrong_bytes_are_refused_with_both_hashes(tmp_path, cache):
    wheel = make_wheel(cache, "alpha", {"alpha/core.py": module("core")})
    entry = pinned(wheel)
    expected = hashlib.sha256(wheel.read_bytes()).hexdigest()
    make_wheel(cache, "alpha", {"alpha/core.py": module("other")})
    actual = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with pytest.raises(HashMismatchError) as caught:
        build(tmp_path, cache, entry)
    message = str(caught.value)
    assert "alpha==1.0" in message
    assert expected in message
    assert actual in message
    assert "cg2-train corpus pin alpha==1.0" in message
    assert not (tmp_path / "out").exists()


def test_recorded_licence_off_the_list_is_refused(tmp_path, cache):
    wheel = make_wheel(cache, "alpha", {"alpha/core.py": module("core")})
    with pytest.raises(
        LicenceError, match=r"alpha==1\.0: the licence 'GPL-3\.0-only' is not on the allow-list"
    ):
        build(tmp_path, cache, pinned(wheel, licence="GPL-3.0-only"))


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: MIT AND LGPL-2.1-or-later",
        "License: GPLv3",
        "Classifier: License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
        "Classifier: License :: Other/Proprietary License",
        "License-Expression: Apache-2.0",
    ],
)
def test_metadata_that_contradicts_the_manifest_is_refused(tmp_path, cache, metadata):
    honest = make_wheel(tmp_path / "honest", "alpha", {"alpha/core.py": module("core")})
    wheel = make_wheel(cache, "alpha", {"alpha/core.py": module("core")}, metadata)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with pytest.raises(LicenceError, match=r"^alpha==1\.0: .*METADATA"):
        build(tmp_path, cache, pinned(honest, sha256=sha256))


def test_excluded_paths_and_copyleft_files_stay_out(tmp_path, cache):
    wheel = make_wheel(
        cache,
        "alpha",
        {
            "alpha/core.py": module("core"),
            "alpha/_vendor/six.py": module("six"),
            "alpha/data/tables.py": module("tables"),
            "alpha/borrowed.py": "# Licensed under the GNU General Public License v2\n" + module("borrowed"),
            "alpha-1.0.data/scripts/run.py": module("run"),
            "alpha/notes.txt": module("notes"),
            "alpha/core.pyi": module("stub"),
            "alpha/build/kept.py": module("kept"),
        },
    )
    entry = pinned(wheel) + 'exclude = ["alpha/data/*"]\n'
    report, out = build(tmp_path, cache, entry, head='exclude = ["*/_vendor/*"]\n')
    paths = {line["path"] for line in read_lines(out / "train.jsonl")}
    assert paths == {"alpha/core.py", "alpha/build/kept.py"}
    assert report["dropped"] == {"licence header": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [(("    ", "  "), "exact duplicate"), (("core_step_3(", "core_step_three("), "near duplicate")],
)
def test_exact_and_near_copies_stay_once(tmp_path, cache, change, reason):
    text = module("core", 60)
    files = {
        "alpha/a.py": text,
        "alpha/b.py": text.replace(*change),
        "alpha/c.py": module("different", 60),
    }
    report, out = build(tmp_path, cache, pinned(make_wheel(cache, "alpha", files)))
    assert report["dropped"] == {reason: 1}
    assert len(read_lines(out / "train.jsonl")) == 2


def test_training_copies_of_heldout_files_are_dropped(tmp_path, cache):
    text = module("core", 60)
    held = make_wheel(cache, "held", {"held/core.py": text, "held/extra.py": module("extra")})
    train = make_wheel(
        cache,
        "alpha",
        {
            "alpha/near.py": text.replace("core_step_3(", "core_step_three("),
            "alpha/libs/held/extra.py": module("rewritten"),
            "alpha/own.py": module("own"),
        },
    )
    report, out = build(tmp_path, cache, pinned(train), pinned(held, split="heldout"))
    assert {line["path"] for line in read_lines(out / "heldout.jsonl")} == {"held/core.py", "held/extra.py"}
    assert [line["path"] for line in read_lines(out / "train.jsonl")] == ["alpha/own.py"]
    assert report["dropped"] == {"held-out path": 1, "near duplicate": 1}


def test_texts_stay_as_published_and_those_with_a_key_are_left_out(tmp_path, cache):
    author = module("core") + "# by jane@somewhere.org\n"
    files = {"alpha/core.py": author, "alpha/key.py": module("key") + 'K = "AKIA' + 'ABCDEFGHIJKLMNOP"\n'}
    report, out = build(tmp_path, cache, pinned(make_wheel(cache, "alpha", files)))
    assert [line["text"] for line in read_lines(out / "train.jsonl")] == [author]
    assert report["dropped"] == {"secret": 1}


def test_other_files_in_the_output_folder_stay(tmp_path, cache):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("x")
    _, out = build(tmp_path, cache, pinned(make_wheel(cache, "alpha", {"alpha/core.py": module("core")})))
    assert {path.name for path in out.iterdir()} == {
        "corpus.json",
        "heldout.jsonl",
        "notes.txt",
        "train.jsonl",
    }


def test_builds_are_byte_for_byte_the_same(tmp_path, cache):
    entries = [
        pinned(make_wheel(cache, name, {f"{name}/m{n}.py": module(f"{name}{n}") for n in range(8)}))
        for name in ("beta", "alpha", "gamma")
    ]
    _, first = build(tmp_path, cache, *entries, out="first")
    _, second = build(tmp_path, cache, *reversed(entries), out="second")
    assert (first / "train.jsonl").read_bytes() == (second / "train.jsonl").read_bytes()
    paths = [line["path"] for line in read_lines(first / "train.jsonl")]
    assert paths != sorted(paths)


def test_limits_bound_a_source_and_its_tests(tmp_path, cache):
    files = {f"alpha/m{n}.py": module(f"m{n}") for n in range(12)}
    files |= {f"alpha/tests/test_m{n}.py": module(f"t{n}") for n in range(12)}
    wheel = make_wheel(cache, "alpha", files)
    head = f"[limits]\nsource_bytes = {len(module('m0')) * 8 + 100}\ntest_share = 0.25\n"
    report, out = build(tmp_path, cache, pinned(wheel), head=head)
    tests = [line for line in read_lines(out / "train.jsonl") if "/tests/" in line["path"]]
    assert report["bytes"]["train"] <= len(module("m0")) * 8 + 100
    assert 1 <= len(tests) <= 2
    assert set(report["dropped"]) == {"over the share of tests", "over the source's limit"}


def test_standard_library_is_a_source(tmp_path, cache, monkeypatch):
    lib = tmp_path / "lib"
    (lib / "site-packages").mkdir(parents=True)
    (lib / "idlelib").mkdir()
    for path in ("abc.py", "site-packages/pip.py", "idlelib/run.py"):
        (lib / path).write_text(module(Path(path).stem))
    monkeypatch.setattr(
        "cg2_training.corpus.manifest.sysconfig", SimpleNamespace(get_path=lambda _: str(lib))
    )
    report, out = build(tmp_path, cache, head='[stdlib]\ninclude = true\nexclude = ["*/idlelib/*"]\n')
    (line,) = read_lines(out / "train.jsonl")
    assert (line["path"], line["license"]) == ("abc.py", "PSF-2.0")
    assert line["source"] == f"python=={report['python_version']}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "abc"}, "64 lower-case hex"),
        ({"split": "test"}, "'train' or 'heldout'"),
        ({"file": "alpha-1.0.tar.gz"}, "must pin the file name of a wheel"),
        ({"version": ""}, "needs the string `version`"),
    ],
)
def test_malformed_entries_are_named(tmp_path, cache, change, words):
    wheel = make_wheel(cache, "alpha", {"alpha/core.py": module("core")})
    with pytest.raises(ManifestError, match=words):
        build(tmp_path, cache, pinned(wheel, **change))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("source_bytes = 0", "source_bytes must be a whole number, 1 or more"),
        ("source_bytes = '1'", "source_bytes must be a whole number"),
        ("test_share = 2", "test_share must be a number from 0 to 1"),
        ("files = 2", "has only the keys `source_bytes` and `test_share`"),
    ],
)
def test_invalid_limits_are_named(tmp_path, cache, limits, words):
    with pytest.raises(ManifestError, match=words):
        build(tmp_path, cache, head=f"[limits]\n{limits}\n")


def test_missing_manifest_and_repeated_package_are_named(tmp_path, cache):
    with pytest.raises(ManifestError, match="cannot read the manifest"):
        build_corpus(tmp_path / "none.toml", tmp_path / "out", progress=False)
    entry = pinned(make_wheel(cache, "alpha", {"alpha/core.py": module("core")}))
    with pytest.raises(ManifestError, match="more than once: alpha"):
        build(tmp_path, cache, entry, entry)
