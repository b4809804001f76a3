"""Muon in the precision that is fast on the hardware.

PyTorch's Muon always orthogonalizes in bfloat16. Without bfloat16 instructions that took longer than the rest of a
step.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024): steep at zero, near one elsewhere."""

ITERATIONS = 5

MIN_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum (Jordan et al. 2024), scaled to AdamW's update size (Liu et al. 2025, 2502.16982)."""

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        *,
        weight_decay: float,
        dtype: torch.dtype,
        momentum: float = 0.95,
    ) -> None:
        """Create the optimizer.

        Args:
            matrices: parameters [outputs, inputs].
            lr: learning rate, on AdamW's scale.
            weight_decay: decoupled weight decay.
            dtype: dtype of the orthogonalization's products.
            momentum: weight of the past in the running mean of the gradients, with Nesterov's look-ahead.
        """
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
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
                update = orthogonalize(matrix.grad.lerp(mean, momentum).to(self.dtype))
                matrix.mul_(1 - lr * group["weight_decay"])
                matrix.add_(update.to(matrix.dtype), alpha=-lr * 0.2 * max(matrix.shape) ** 0.5)


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
