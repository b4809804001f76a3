"""A grown model computes the same function as its source, and its copies diverge in training."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_training.cli.main import main
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.model.codegen import load_model
from cg2_training.model.grow import block_origins, grow
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig
from cg2ls.models.folder.facts import Facts

CONFIG = CodeGenConfig(
    n_layer=3, n_embd=64, n_head=4, rotary_dim=16, n_positions=64, vocab_size=512, n_inner=256
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("source") / "small"
    write_random_checkpoint(folder, CONFIG, seed=3)
    return Checkpoint.open(folder)


@torch.no_grad()
def logits(checkpoint: Checkpoint) -> torch.Tensor:
    tokens = torch.randint(0, CONFIG.vocab_size, (2, 60), generator=torch.Generator().manual_seed(0))
    return load_model(checkpoint)(tokens)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "shape",
    [
        {"n_layer": 5},
        {"n_embd": 128},
        {"n_embd": 192},
        {"n_layer": 6, "n_embd": 128, "context": 128},
    ],
    ids=str,
)
def test_the_larger_model_has_the_logits_of_the_smaller(
    source: Checkpoint, tmp_path: Path, shape: dict[str, int]
) -> None:
    config = grow(source, tmp_path / "grown", **shape)
    grown = Checkpoint.open(tmp_path / "grown")
    assert grown.config == config
    assert config.n_parameters > source.config.n_parameters
    assert config.head_dim == source.config.head_dim
    assert float((logits(grown) - logits(source)).abs().max()) < 1e-5


@pytest.mark.parametrize("groups", [4, 8])
def test_every_layout_of_the_fused_projection_grows(tmp_path: Path, groups: int) -> None:
    config = CodeGenConfig(
        **{**vars(CONFIG), "n_head": 8, "rotary_dim": 8, "qkv_groups": groups},
    )
    write_random_checkpoint(tmp_path / "source", config, seed=4)
    source = Checkpoint.open(tmp_path / "source", qkv_groups=groups)
    assert grow(source, tmp_path / "grown", n_embd=128).qkv_groups == groups
    assert float((logits(Checkpoint.open(tmp_path / "grown")) - logits(source)).abs().max()) < 1e-5


def test_new_blocks_are_spread_evenly_after_their_sources() -> None:
    assert block_origins(2, 5) == [(0, False), (0, True), (0, True), (1, False), (1, True)]
    assert block_origins(3, 3) == [(0, False), (1, False), (2, False)]
    for old, new in ((6, 8), (6, 12), (1, 4), (5, 7)):
        origins = block_origins(old, new)
        assert [origin for origin, silent in origins if not silent] == list(range(old))
        copies = Counter(origin for origin, _ in origins)
        assert max(copies.values()) - min(copies.values()) <= 1


def test_copies_diverge_in_training(recipe: dict[str, Any], shard: TokenShard, tmp_path: Path) -> None:
    """Equal copies would always get equal gradients, and the wide model would be the narrow one."""
    recipe["run"] |= {"precision": "float32"}
    first = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / "narrow")
    first.fit(progress=False)
    grow(Checkpoint.open(tmp_path / "narrow" / "checkpoint"), tmp_path / "grown", n_embd=64, n_layer=3)
    recipe["model"] |= {"n_embd": 64, "n_head": 8, "n_layer": 3}
    recipe["optimizer"]["lr"] = 0.002
    start = Checkpoint.open(tmp_path / "grown")
    wide = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path / "wide", start=start)
    assert wide.evaluate().causal_nats == pytest.approx(first.evaluate().causal_nats, rel=1e-5)
    wide.fit(progress=False)
    assert wide.evaluate().causal_nats < first.evaluate().causal_nats
    weights = wide.optimizer.weights()
    left, right = weights["transformer.wte.weight"].chunk(2, dim=1)
    assert not torch.allclose(left, right, atol=1e-4)
    silent = weights["transformer.h.1.mlp.fc_out.weight"]
    assert float(silent.abs().max()) > 0, "a new block learns"


def test_a_model_folder_grows_by_the_command(
    source: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Facts(name="small", license="Apache-2.0", quality={"x": 1.0}).write(source.folder)
    convert(source.folder, tmp_path / "folder", ConversionOptions(precision="fp32", untrained=True))
    out = tmp_path / "grown"
    assert main(["grow", str(tmp_path / "folder"), "-o", str(out), "--n-layer", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["n_layer"], said["n_embd"]) == (4, 64)
    facts = Facts.read(out)
    assert (facts.name, facts.license, facts.quality) == ("small-4x64", "Apache-2.0", {})
    assert np.allclose(logits(Checkpoint.open(out)), logits(source), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"n_layer": 2}, "--n-layer 2 is less than the current 3"),
        ({"context": 32}, "--context 32 is less than the current 64"),
        ({"n_embd": 96}, "--n-embd 96 is not a multiple of 64.*choose 128"),
    ],
)
def test_a_shape_that_cannot_contain_the_model_is_refused(
    source: Checkpoint, tmp_path: Path, shape: dict[str, int], says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        grow(source, tmp_path / "grown", **shape)
    assert not (tmp_path / "grown").exists()
