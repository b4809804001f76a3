"""Sources of every kind become one corpus, in any number of processes and after interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cg2_training.cli.main import main
from cg2_training.corpus.collect import collect
from cg2_training.corpus.collection import Collection, SourceSpec, collection_from_paths
from cg2_training.data.shards import files_of, interleaved, tokenize_folder
from cg2_training.errors import CorpusError, TrainingError
from cg2ls.files import OutputError
from cg2ls.models.codegen2 import CodeTokenizer
from tests.training.corpus.corpus_samples import module, read_lines

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of MIT-licensed code with a file for each rule."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person")
    for number in range(12):
        (root / f"m{number}.py").write_text(module(f"m{number}", 30))
    (root / "copy.py").write_text(module("m3", 30).replace("    ", "  "))
    (root / "near.py").write_text(module("m4", 30).replace("m4_step_3(", "m4_step_three("))
    (root / "key.py").write_text(module("key") + f'token = "{KEY}"\n# jane@somewhere.org\n')
    (root / "gpl.py").write_text("# Licensed under the GNU General Public License v2\n" + module("gpl"))
    (root / "made.py").write_text("# @generated\n" + module("made"))
    (root / "bad.py").write_text("def f(:\n" * 40)
    (root / "notes.md").write_text("Notes of the project, in whole sentences. " * 20)
    return root


def one(path: Path, **options: Any) -> Collection:
    return collection_from_paths([path], **{"heldout": 0.2, **options})


def run(collection: Collection, out: Path, **options: Any) -> dict[str, Any]:
    report = collect(collection, out, **{"workers": 1, "tasks": 3, "progress": False, **options})
    assert report
    return report


def test_every_rule_counts_dropped_documents(folder: Path, tmp_path: Path) -> None:
    report = run(one(folder), tmp_path / "out")
    assert report["dropped"] == {
        "does not parse": 1,
        "exact duplicate": 1,
        "generated": 1,
        "licence header": 1,
        "near duplicate": 1,
    }
    assert report["redacted"] == {"secrets": 1, "personal data": 1}
    source = report["sources"]["project"]
    assert source["read_files"] == 18
    assert sum(source["files"].values()) == 13
    assert source["licences"] == {"MIT": 13}
    assert json.loads((tmp_path / "out" / "corpus.json").read_text()) == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "project"]


def test_lines_have_the_fields_of_a_corpus_file_and_no_secret(folder: Path, tmp_path: Path) -> None:
    run(one(folder), tmp_path / "out")
    files = [*(tmp_path / "out" / "project").iterdir()]
    assert {path.name for path in files} == {"train.jsonl", "heldout.jsonl"}
    lines = [line for path in files for line in read_lines(path)]
    for line in lines:
        assert {"text", "path", "source", "language", "license"} <= set(line)
    assert not any(KEY in line["text"] or "jane@" in line["text"] for line in lines)


@pytest.mark.parametrize(("workers", "tasks"), [(1, 1), (2, 5)])
def test_corpus_is_the_same_for_any_workers_and_tasks(
    folder: Path, tmp_path: Path, workers: int, tasks: int
) -> None:
    run(one(folder), tmp_path / "first")
    run(one(folder), tmp_path / "second", workers=workers, tasks=tasks)
    for name in ("project/train.jsonl", "project/heldout.jsonl", "corpus.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_file_keeps_its_split_as_the_folder_grows(folder: Path, tmp_path: Path) -> None:
    run(one(folder), tmp_path / "before")
    (folder / "later.py").write_text(module("later", 30))
    run(one(folder), tmp_path / "after")
    held = [
        {line["path"] for line in read_lines(tmp_path / name / "project" / "heldout.jsonl")}
        for name in ("before", "after")
    ]
    assert held[1] - {"later.py"} == held[0]


def test_code_and_text_are_separate_sources(folder: Path, tmp_path: Path) -> None:
    sources = (
        SourceSpec(name="code", path=str(folder)),
        SourceSpec(name="text", path=str(folder), content="text", heldout=0),
    )
    report = run(Collection("both", sources), tmp_path / "out")
    assert report["sources"]["text"]["files"] == {"heldout": 0, "train": 1}
    assert set(files_of(tmp_path / "out", "train")) == {"code", "text"}
    first, second, *_ = interleaved(tmp_path / "out")
    assert [text.startswith("Notes") for text in (first, second)] == [False, True]


def test_a_dump_is_held_out_by_repository(tmp_path: Path) -> None:
    rows = [
        {
            "content": module(f"r{number}", 25),
            "lang": "Python",
            "max_stars_repo_path": f"m{number}.py",
            "max_stars_repo_name": f"someone/thing{number % 10}",
            "max_stars_repo_licenses": ["MIT" if number else "GPL-3.0-only"],
        }
        for number in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "dump.parquet", row_group_size=7)
    report = run(one(tmp_path / "dump.parquet", heldout=0.4), tmp_path / "out")
    assert report["dropped"] == {"licence": 1}
    repositories = [
        {line["repository"] for line in read_lines(path)}
        for path in sorted((tmp_path / "out" / "dump").iterdir())
    ]
    assert all(repositories)
    assert not repositories[0] & repositories[1]


def test_a_source_may_have_limits(folder: Path, tmp_path: Path) -> None:
    limit = 5 * len(module("m0", 30))
    for number in range(9):
        (folder / f"test_{number}.py").write_text(module(f"t{number}", 30))
    source = SourceSpec(name="code", path=str(folder), heldout=0, max_bytes=limit, max_test_share=0.25)
    report = run(Collection("limited", (source,)), tmp_path / "out")
    assert limit * 0.8 < report["bytes"]["train"] <= limit
    tests = [
        line
        for line in read_lines(tmp_path / "out" / "code" / "train.jsonl")
        if line["path"].startswith("test_")
    ]
    assert len(tests) == 1
    assert report["dropped"]["over the share of tests"] == 8
    assert report["dropped"]["over the source's limit"] > 0


def test_a_benchmark_stays_out(folder: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"prompt": module("m7", 15), "canonical_solution": "pass"}) + "\n")
    report = run(collection_from_paths([folder], [bench], heldout=0.2), tmp_path / "out")
    assert report["dropped"]["benchmark"] == 1
    assert list(report["benchmarks"]) == ["bench.jsonl"]


def test_first_of_two_sources_keeps_a_shared_text(folder: Path, tmp_path: Path) -> None:
    sources = tuple(SourceSpec(name=name, path=str(folder), heldout=0) for name in ("kept", "copy"))
    report = run(Collection("twice", sources), tmp_path / "out")
    assert report["sources"]["kept"]["files"]["train"] == 13
    assert report["sources"]["copy"]["files"]["train"] == 0


def test_shards_are_made_for_each_source_and_split(
    folder: Path, tmp_path: Path, tokenizer: CodeTokenizer
) -> None:
    run(one(folder), tmp_path / "out")
    made = tokenize_folder(tmp_path / "out", tokenizer, tmp_path / "shards", progress=False)
    assert [str(path.relative_to(tmp_path)) for path in made] == [
        "shards/train/project",
        "shards/heldout/project",
    ]
    with pytest.raises(TrainingError, match="is not a folder of cg2-train corpus:"):
        tokenize_folder(folder, tokenizer, tmp_path / "none", progress=False)


def test_a_folder_of_corpus_build_is_tokenized_by_split(tmp_path: Path, tokenizer: CodeTokenizer) -> None:
    """`corpus build` writes one file for each split, and one of them may be empty."""
    corpus = tmp_path / "built"
    corpus.mkdir()
    (corpus / "train.jsonl").write_text(json.dumps({"text": module("train", 15)}) + "\n")
    (corpus / "heldout.jsonl").write_text("")
    assert list(interleaved(corpus)) == [module("train", 15)]
    made = tokenize_folder(corpus, tokenizer, tmp_path / "shards", progress=False)
    assert list(made) == [tmp_path / "shards" / "train"]
    assert files_of(corpus, "heldout") == {}
    (corpus / "heldout.jsonl").write_text(json.dumps({"text": module("other", 15)}) + "\n")
    made = tokenize_folder(corpus, tokenizer, tmp_path / "shards", progress=False)
    assert [path.name for path in made] == ["train", "heldout"]


def test_empty_corpus_is_an_error_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="0 were read; name sources with code or text"):
        run(one(tmp_path / "empty"), tmp_path / "out")
    (tmp_path / "empty" / "a.py").write_text("x = 1\n")
    with pytest.raises(CorpusError, match="1 were read and dropped for: too small 1"):
        run(one(tmp_path / "empty", licence="MIT"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_code_without_a_licence_is_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "LICENSE").write_text("All rights reserved.")
    with pytest.raises(
        CorpusError,
        match="no licence 18; set a licence for files without one, or own for your own files",
    ):
        run(one(folder), tmp_path / "out")
    assert run(one(folder, licence="own"), tmp_path / "out")["sources"]["project"]["licences"] == {"own": 14}


def test_folder_without_a_corpus_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match=r"has no corpus\.json, so it is not replaced"):
        run(one(folder), tmp_path / "out")


def test_damaged_dump_is_reported_in_one_message_from_any_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dump.parquet").write_bytes(b"PAR1 nothing PAR1")
    arguments = ["corpus", "collect", str(tmp_path / "dump.parquet"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--workers", "2"]) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "dump.parquet is not a complete Parquet file" in message
    assert message.endswith("; fetch it again.")


COMMAND = [sys.executable, "-m", "cg2_training.cli.main", "corpus", "collect"]


def test_killed_run_continues_with_unfinished_tasks(folder: Path, tmp_path: Path) -> None:
    run(one(folder, licence="MIT"), tmp_path / "whole")
    options = ["--licence", "MIT", "--heldout", "0.2", "--workers", "1", "--tasks", "3"]
    command = [*COMMAND, str(folder), "-o", str(tmp_path / "out"), *options]
    child = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    done = tmp_path / ".out.work" / "logs" / "clean" / "completions"
    limit = time.monotonic() + 60
    while not (done.is_dir() and any(done.iterdir())) and time.monotonic() < limit and child.poll() is None:
        time.sleep(0.005)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    subprocess.run(command, check=True, capture_output=True)
    for name in ("project/train.jsonl", "project/heldout.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_full_disk_is_reported_in_one_message_and_keeps_the_old_corpus(folder: Path, tmp_path: Path) -> None:
    run(one(folder), tmp_path / "out")
    before = (tmp_path / "out" / "project" / "train.jsonl").read_bytes()
    (folder / "large.py").write_text("".join(module(f"large{number}", 40) for number in range(8)))
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
    work = "from cg2_training.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [
        "corpus",
        "collect",
        str(folder),
        "-o",
        str(tmp_path / "out"),
        "--workers",
        "1",
        "--tasks",
        "2",
    ]
    done = subprocess.run([sys.executable, "-c", limit + work, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "make room and run the same command again" in done.stderr.splitlines()[-1]
    assert (tmp_path / "out" / "project" / "train.jsonl").read_bytes() == before
