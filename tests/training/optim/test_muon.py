"""Muon's updates are orthogonal, and PyTorch's own in bfloat16."""

from __future__ import annotations

import pytest
import torch

from cg2_training.optim.muon import Muon, orthogonalize


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
