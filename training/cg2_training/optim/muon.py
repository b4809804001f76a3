"""Muon in the precision that is fast on the hardware.

PyTorch's Muon always orthogonalizes in bfloat16. Without bfloat16 instructions that took longer than the rest of a
step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cg2ls.models.codegen2 import CodeGenConfig

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024): steep at zero, near one elsewhere."""

ITERATIONS = 5

MIN_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum (Jordan et al. 2024), scaled to AdamW's update size (Liu et al. 2025, 2502.16982)."""

    def __init__(
        self,
        matrices: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        *,
        weight_decay: float,
        dtype: torch.dtype,
        momentum: float = 0.95,
    ) -> None:
        """Create the optimizer.

        Args:
            matrices: parameters [outputs, inputs], or groups of them. A group's `parts` is the shape into which rows
                are unfolded to orthogonalize parts of them on their own; see `qkv_parts`.
            lr: learning rate, on AdamW's scale.
            weight_decay: decoupled weight decay.
            dtype: dtype of the orthogonalization's products.
            momentum: weight of the past in the running mean of the gradients, with Nesterov's look-ahead.
        """
        super().__init__(
            matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "parts": None}
        )
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            momentum, lr = group["momentum"], group["lr"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                ahead = matrix.grad.lerp(mean, momentum).to(self.dtype)
                update = (
                    orthogonalize_parts(ahead, group["parts"]) if group["parts"] else orthogonalize(ahead)
                )
                rms = 0.2 * (matrix.shape[1] if group["parts"] else max(matrix.shape)) ** 0.5
                matrix.mul_(1 - lr * group["weight_decay"])
                matrix.add_(update.to(matrix.dtype), alpha=-lr * rms)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return a matrix with nearly the same singular vectors and singular values near one (Newton-Schulz)."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    a, b, c = QUINTIC
    result: Tensor = matrix / matrix.norm().clamp_min(MIN_NORM)
    for _ in range(ITERATIONS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result


def qkv_parts(config: CodeGenConfig, split: str) -> tuple[int, ...] | None:
    """Return how the rows of a fused qkv projection unfold, the parts last but one; None for the whole matrix.

    Its rows are groups of query, value and key, each of some heads. "qkv" has three parts of all heads; "heads" has
    each head's query, value and key on its own.
    """
    if split == "none":
        return None
    if split == "heads":
        return (1, 3 * config.n_head, config.head_dim)
    return (config.qkv_groups, 3, config.n_embd // config.qkv_groups)


def orthogonalize_parts(matrix: Tensor, parts: tuple[int, ...]) -> Tensor:
    """Orthogonalize parts of a matrix [outputs, inputs] on their own.

    A part has at most as many rows as columns.

    Args:
        matrix: the matrix.
        parts: groups, parts and rows, so that outputs = groups * parts * rows; a part takes its rows in every group.
    """
    groups, count, rows = parts
    inputs = matrix.shape[1]
    apart = matrix.view(groups, count, rows, inputs).transpose(0, 1).reshape(count, groups * rows, inputs)
    a, b, c = QUINTIC
    result: Tensor = apart / apart.flatten(1).norm(dim=1).clamp_min(MIN_NORM)[:, None, None]
    for _ in range(ITERATIONS):
        gram = result @ result.mT
        result = torch.baddbmm(result, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result.view(count, groups, rows, inputs).transpose(0, 1).reshape(matrix.shape)
