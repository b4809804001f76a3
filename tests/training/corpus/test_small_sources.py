"""A source too small for its share still has a held-out file, or the commands report what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cg2_training.cli.main import main
from cg2_training.corpus.collect import collect
from cg2_training.corpus.collection import collection_from_paths
from cg2_training.data.tokenizer import padding_problem, train_tokenizer
from cg2ls.models.codegen2 import CodeTokenizer
from tests.training.corpus.corpus_samples import module, read_lines

Collected = Callable[..., Path]


@pytest.fixture
def collected(tmp_path: Path) -> Collected:
    """Makes a corpus of this many files."""

    def make(files: int, heldout: float) -> Path:
        project = tmp_path / f"project{files}"
        project.mkdir(exist_ok=True)
        for number in range(files):
            (project / f"m{number}.py").write_text(module(f"m{number}", 30))
        out = tmp_path / f"corpus-{files}-{heldout}"
        collection = collection_from_paths([project], heldout=heldout, licence="own")
        assert collect(collection, out, workers=1, tasks=1, progress=False)
        return out

    return make


def counts(corpus: Path) -> dict[str, int]:
    return dict(json.loads((corpus / "corpus.json").read_text())["files"])


@pytest.mark.parametrize("files", [2, 5, 20])
def test_a_small_source_has_a_held_out_file(collected: Collected, files: int) -> None:
    found = counts(collected(files, 0.02))
    assert found["heldout"] == 1
    assert found["train"] == files - 1


def test_the_held_out_file_is_the_one_that_a_larger_share_would_select(collected: Collected) -> None:
    (few,) = read_lines(collected(20, 0.001) / "project20" / "heldout.jsonl")
    more = read_lines(collected(20, 0.3) / "project20" / "heldout.jsonl")
    assert few in more


def test_a_share_of_zero_and_a_single_file_have_no_held_out_file(collected: Collected) -> None:
    assert counts(collected(5, 0.0)).get("heldout", 0) == 0
    assert counts(collected(1, 0.02)) == {"heldout": 0, "train": 1}


def test_tokenize_reports_that_nothing_is_held_out(
    collected: Collected, tokenizer: CodeTokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.json").write_text(tokenizer.to_json())
    corpus = collected(5, 0.0)
    command = ["tokenize", str(corpus), "--tokenizer", str(tmp_path / "t.json"), "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert "has no held-out documents, which pretrain needs" in capsys.readouterr().err


def test_a_missing_held_out_shard_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(tmp_path), "--heldout", str(tmp_path / "none")]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "does not exist" in told
    assert "larger --heldout" in told


def test_mostly_padding_is_refused_and_some_is_reported() -> None:
    with pytest.raises(Exception, match="would be padding; give it more text, or choose --vocab-size"):
        padding_problem(train_tokenizer(["a b\n"], vocab_size=2048, n_masks=10))
    text = "".join(module(f"m{number}", 3) for number in range(3))
    size = 2048
    learned = size - train_tokenizer([text], vocab_size=size, n_masks=10).to_json().count('"<dummy_')
    some = train_tokenizer([text], vocab_size=round(1.2 * learned), n_masks=10)
    assert "tokens are padding, since the corpus yields no more" in padding_problem(some)
    assert padding_problem(train_tokenizer([text], vocab_size=learned, n_masks=10)) == ""


def test_a_tokenizer_of_mostly_padding_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "corpus.jsonl", tmp_path / "t.json"
    corpus.write_text(json.dumps({"text": "a = 1\n"}) + "\n")
    assert main(["tokenizer", str(corpus), "-o", str(out), "--vocab-size", "2048"]) == 1
    told = capsys.readouterr().err
    assert "would be padding" in told
    assert told.count("\n") == 1
    assert not out.exists()
