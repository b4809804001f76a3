"""Training with rounded matrices is training on what the int4 export will compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cg2_quantize.formats.rounding import restore_blocks, round_blocks
from cg2_training.data.shards import TokenShard
from cg2_training.errors import TrainingError
from cg2_training.optim.optimizer import round_int4, round_matrix
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.models.codegen2 import Checkpoint
from cg2ls.models.int4 import BLOCK_SIZE


def exported(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix [outputs, inputs] as cg2-quantize's int4 stores it."""
    blocks = round_blocks(matrix.T.numpy().copy(), bits=4, block_size=BLOCK_SIZE)
    return torch.from_numpy(restore_blocks(blocks).T.copy())


def test_the_export_keeps_a_rounded_matrix_as_it_is() -> None:
    matrix = torch.randn(48, 96, generator=torch.Generator().manual_seed(1)) * 0.05
    ours = round_int4(matrix)
    assert torch.unique(ours.view(48, 3, 32)[5, 1]).numel() <= 16
    assert (ours - matrix).abs().max() < 0.03
    assert torch.allclose(exported(ours), ours, atol=1e-6)


def test_blocks_of_one_sign_and_of_zeros_have_a_zero_too() -> None:
    matrix = torch.stack((torch.linspace(0.5, 1.0, 32), torch.zeros(32), torch.linspace(-1.0, -0.5, 32)))
    ours = round_int4(matrix)
    assert torch.equal(ours[1], torch.zeros(32))
    assert torch.allclose(exported(ours), ours, atol=1e-6)


def test_rounding_includes_the_gain_of_the_norm_before() -> None:
    generator = torch.Generator().manual_seed(2)
    gain = torch.rand(64, generator=generator) + 0.5
    gain[3] = 1e-4
    names = {f"transformer.h.0.{part}": (96, 64) for part in ("attn.qkv_proj.weight", "mlp.fc_in.weight")}
    names["transformer.h.0.attn.out_proj.weight"] = (64, 64)
    masters = {name: torch.randn(shape, generator=generator) for name, shape in names.items()}
    masters["transformer.h.0.ln_1.weight"] = gain
    moved = torch.where(gain < 0.01, 1.0, gain)
    for name in list(names)[:2]:
        ours = round_matrix(name, masters) * moved
        assert torch.allclose(exported(ours), ours, atol=1e-5)
    plain = "transformer.h.0.attn.out_proj.weight"
    assert torch.equal(round_matrix(plain, masters), round_int4(masters[plain]))


def test_the_last_share_of_a_run_computes_with_rounded_matrices(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    recipe["run"] |= {"steps": 8, "int4_share": 0.5}
    trainer = Trainer(Recipe.from_dict(recipe), shard, shard, tmp_path)
    weight = trainer.model.transformer.h[0].mlp.fc_out.weight  # type: ignore[union-attr]
    kinds = []
    step = trainer.step

    def watched(*arguments: Any) -> tuple[float, float]:
        kinds.append(np.unique(weight.detach().float().numpy()[0, :BLOCK_SIZE]).size)  # type: ignore[operator, union-attr]
        return step(*arguments)

    trainer.step = watched  # type: ignore[method-assign]
    trainer.fit(progress=False)
    assert all(kind > 16 for kind in kinds[:4])
    assert all(kind <= 16 for kind in kinds[4:])
    name = "transformer.h.0.mlp.fc_out.weight"
    state = dict(trainer.optimizer.named_state())
    assert state[f"master.{name}"][0, :BLOCK_SIZE].unique().numel() > 16, "a state has the masters"
    left = Checkpoint.open(tmp_path / "checkpoint").tensor(name)
    assert np.unique(left[0, :BLOCK_SIZE]).size <= 16, "a checkpoint has what was measured"


def test_a_width_that_blocks_do_not_divide_is_refused(recipe: dict[str, Any]) -> None:
    recipe["model"] |= {"n_embd": 48, "n_head": 4, "rotary_dim": 8}
    recipe["run"] |= {"int4_share": 0.5}
    with pytest.raises(TrainingError, match="multiple of 32, not 48"):
        Recipe.from_dict(recipe)
