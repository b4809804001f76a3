"""Rows of a mixture of shards: from the right source, and the same in every process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cg2_training.data.batches import MixedStream, RowStream, load_batches, row_stream
from cg2_training.data.mixture import SourceMix
from cg2_training.data.shards import ShardSet, TokenShard, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2_training.objective import ObjectiveConfig
from cg2ls.models.codegen2 import CodeTokenizer

CONFIG = ObjectiveConfig(max_spans=3, max_span_chars=60)
HALVES = {"code": SourceMix(weight=0.5), "text": SourceMix(weight=0.5)}


@pytest.fixture(scope="module")
def folder(corpus: Path, tokenizer: CodeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    prose = root / "text.jsonl"
    prose.write_text(
        "".join(json.dumps({"text": f"Sentence {n} of the text. " * 9}) + "\n" for n in range(40))
    )
    tokenize_corpus(corpus, tokenizer, root / "shards" / "code", progress=False)
    tokenize_corpus(prose, tokenizer, root / "shards" / "text", progress=False)
    return root / "shards"


@pytest.fixture
def shards(folder: Path) -> ShardSet:
    return ShardSet.open(folder)


def mixed(shards: ShardSet, seed: int = 5) -> MixedStream:
    stream = row_stream(shards, 64, CONFIG, seed, data=HALVES)
    assert isinstance(stream, MixedStream)
    return stream


def test_rows_come_from_the_stated_source(shards: ShardSet) -> None:
    stream = mixed(shards)
    for number in range(24):
        text = shards.tokenizer.decode([token for token in stream.row(number).tolist() if token >= 0])
        assert ("of the text" in text or "Sentence" in text) == (stream.origin(number) == "text")


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_ranks_change_nothing(shards: ShardSet, workers: int) -> None:
    whole = [mixed(shards).batch(step, 4) for step in range(6)]
    shares = [
        list(load_batches(mixed(shards), 4, range(6), workers=workers, process=(rank, 2))) for rank in (0, 1)
    ]
    for step, batch in enumerate(whole):
        together = torch.cat([shares[rank][step].tokens for rank in (0, 1)])
        assert torch.equal(together, torch.from_numpy(batch.tokens))


def test_a_resumed_run_sees_the_same_rows(shards: ShardSet) -> None:
    through = [batch.tokens for batch in load_batches(mixed(shards), 3, range(9), workers=0)]
    resumed = [batch.tokens for batch in load_batches(mixed(shards), 3, range(4, 9), workers=0)]
    assert all(map(torch.equal, through[4:], resumed))


def test_a_sources_own_rows_do_not_depend_on_its_neighbours(shards: ShardSet) -> None:
    alone = row_stream(shards, 64, CONFIG, 5, data=HALVES | {"text": SourceMix(weight=0)})
    both = mixed(shards)
    mine = [number for number in range(60) if both.origin(number) == "code"]
    for index, number in enumerate(mine):
        assert np.array_equal(alone.row(index), both.row(number))


def test_one_shard_alone_has_the_order_of_its_stream(shard: TokenShard) -> None:
    alone = row_stream(shard, 64, CONFIG, seed=5)
    assert np.array_equal(alone.batch(3, 4).tokens, RowStream(shard, 64, CONFIG, seed=5).batch(3, 4).tokens)


def test_epochs_are_counted_by_source(shards: ShardSet) -> None:
    stream = mixed(shards)
    assert stream.epochs(1024)["text"] == pytest.approx(512 / stream.rows_per_epoch[1])


def test_more_steps_than_the_mixture_has_rows_are_refused_before_the_first(shards: ShardSet) -> None:
    once = {name: SourceMix(weight=1, epochs=1) for name in shards.shards}
    stream = row_stream(shards, 64, CONFIG, 5, data=once)
    assert stream.limit
    with pytest.raises(TrainingError, match=f"exhausted after {stream.limit}; raise the epochs"):
        next(load_batches(stream, 4, range(10_000), workers=0))


def test_a_source_too_small_for_two_rows_is_named(shards: ShardSet) -> None:
    with pytest.raises(TrainingError, match=r"^source text: the corpus has \d+ tokens, fewer than two rows"):
        row_stream(shards, 4000, CONFIG, 5)


def test_shards_of_two_tokenizers_are_refused(folder: Path, shards: ShardSet, tmp_path: Path) -> None:
    other = json.loads(shards.tokenizer.to_json())
    other["model"]["merges"] = other["model"]["merges"][:-1]
    for name in ("code", "text"):
        (tmp_path / name).mkdir()
        for file in (folder / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "text" / "tokenizer.json").write_text(json.dumps(other))
    with pytest.raises(TrainingError, match="another tokenizer"):
        ShardSet.open(tmp_path)


def test_a_folder_without_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not a token shard and contains none"):
        ShardSet.open(tmp_path)


def test_a_cut_off_shard_is_named(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "code").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokens = tmp_path / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    with pytest.raises(TrainingError, match=r"tokens.bin holds \d+ tokens, not \d+; run cg2-train tokenize"):
        ShardSet.open(tmp_path)
