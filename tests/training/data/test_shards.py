"""A shard is written completely or not at all, with documents of any length."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from cg2_training.data.batches import RowStream
from cg2_training.data.shards import tokenize_corpus
from cg2_training.objective import ObjectiveConfig
from cg2ls.models.codegen2 import CodeTokenizer


def test_documents_follow_each_other_with_an_end_between(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    texts = ["a = 1\n", "b = 2\n"]
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    shard = tokenize_corpus(corpus, tokenizer, tmp_path / "shard", progress=False)
    end = tokenizer.special.end_of_text
    expected = [token for text in texts for token in [*tokenizer.encode(text), end]]
    assert shard.tokens.tolist() == expected
    assert shard.bytes == sum(map(len, texts))


def test_a_document_longer_than_the_context_is_read_row_by_row(
    tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(400))
    (tmp_path / "c.jsonl").write_text(json.dumps({"text": text}) + "\n")
    shard = tokenize_corpus(tmp_path / "c.jsonl", tokenizer, tmp_path / "shard", progress=False)
    stream = RowStream(shard, 64, ObjectiveConfig(infill_share=0), seed=3)
    rows = sorted(
        (stream.source_tokens(n).tolist() for n in range(stream.rows_per_epoch)), key=text_order(shard.tokens)
    )
    together = [token for row in rows for token in row[:-1]]
    whole = shard.tokens.tolist()
    start = next(at for at in range(64) if whole[at : at + 64] == together[:64])
    assert whole[start : start + len(together)] == together, "rows cut the document without gap or overlap"
    assert len(together) > len(whole) - 3 * 64


def text_order(tokens: np.ndarray) -> object:
    places = {tuple(tokens[at : at + 65].tolist()): at for at in range(len(tokens))}
    return lambda row: places[tuple(row)]


def test_a_full_disk_is_reported_in_one_sentence_and_the_old_shard_stays(
    corpus: Path, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    small = tmp_path / "small.jsonl"
    small.write_text(json.dumps({"text": "x = 1\n" * 400}) + "\n")
    (tmp_path / "t.json").write_text(tokenizer.to_json())
    before = tokenize_corpus(small, tokenizer, tmp_path / "shard", progress=False).tokens.tolist()
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
    work = "from cg2_training.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [
        "tokenize",
        str(corpus),
        "--tokenizer",
        str(tmp_path / "t.json"),
        "-o",
        str(tmp_path / "shard"),
    ]
    done = subprocess.run([sys.executable, "-c", limit + work, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot write the shard" in done.stderr.splitlines()[-1]
    assert np.fromfile(tmp_path / "shard" / "tokens.bin", np.uint16).tolist() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard", "small.jsonl", "t.json"]
