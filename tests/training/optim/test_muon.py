"""Muon's updates are orthogonal, and PyTorch's own in bfloat16."""

from __future__ import annotations

import pytest
import torch

from cg2_training.optim.muon import Muon, orthogonalize, orthogonalize_parts, qkv_parts
from cg2ls.models.codegen2 import CodeGenConfig


@pytest.mark.parametrize("shape", [(32, 32), (48, 16), (16, 64)])
def test_an_orthogonalized_matrix_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest = left @ right
    cosine = (orthogonalize(matrix) * nearest).sum() / orthogonalize(matrix).norm() / nearest.norm()
    assert float(cosine) > 0.95


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.0), (torch.float32, 0.02)])
@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40)])
def test_it_trains_as_pytorchs_does(shape: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(1)
    ours = torch.randn(shape, generator=generator)
    theirs, before = ours.clone(), ours.clone()
    optimizers = [
        Muon([ours], 0.02, weight_decay=0.1, dtype=dtype),
        torch.optim.Muon([theirs], 0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(5):
        gradient = torch.randn(shape, generator=generator)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient
            optimizer.step()
    moved = float((theirs - before).norm())
    assert float((ours - theirs).norm()) <= tolerance * moved


CONFIG = CodeGenConfig(
    n_layer=1, n_embd=32, n_head=4, rotary_dim=8, n_positions=16, vocab_size=64, n_inner=128, qkv_groups=2
)


@pytest.mark.parametrize("split", ["qkv", "heads"])
def test_parts_of_a_fused_projection_are_orthogonalized_like_separate_matrices(split: str) -> None:
    matrix = torch.randn((96, 32), generator=torch.Generator().manual_seed(2))
    # Scales that differ between parts must not matter, which they do for the whole matrix.
    matrix[:16] *= 100
    parts = qkv_parts(CONFIG, split)
    assert parts
    found = orthogonalize_parts(matrix, parts)
    if split == "heads":
        apart = torch.cat([orthogonalize(one) for one in matrix.split(8)])
    else:
        # Rows are two groups of query, value and key, each of two heads of 8 channels.
        unfolded, apart = matrix.view(2, 3, 16, 32), torch.empty(2, 3, 16, 32)
        for part in range(3):
            both = orthogonalize(unfolded[:, part].reshape(32, 32))
            apart[:, part] = both.view(2, 16, 32)
        apart = apart.view(96, 32)
    assert torch.allclose(found, apart, atol=1e-4)
    assert qkv_parts(CONFIG, "none") is None


def test_updates_of_parts_are_as_large_as_those_of_whole_matrices() -> None:
    sizes = {}
    for split in ("none", "qkv", "heads"):
        matrix = torch.zeros(96, 32)
        matrix.grad = torch.randn((96, 32), generator=torch.Generator().manual_seed(2))
        groups = [{"params": [matrix], "parts": qkv_parts(CONFIG, split)}]
        Muon(groups, 0.02, weight_decay=0.1, dtype=torch.float32).step()
        sizes[split] = float(matrix.square().mean().sqrt())
    assert sizes["none"] == pytest.approx(0.2 * 0.02, rel=0.35)
    assert sizes["qkv"] == pytest.approx(sizes["none"], rel=0.35)
    assert sizes["heads"] == pytest.approx(sizes["none"], rel=0.35)
