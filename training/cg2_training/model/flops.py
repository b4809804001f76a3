"""How much arithmetic training takes, and how much of it a device can do."""

from __future__ import annotations

import time
from statistics import median

import torch

from cg2ls.models.codegen2 import CodeGenConfig

NOMINAL_PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""Dense bf16 FLOP/s by the makers' data sheets, by a part of the device's name."""


def flops_per_token(config: CodeGenConfig) -> float:
    """Training FLOPs of one token: 6 N + 12 L d T (PaLM, Chowdhery et al. 2022, appendix B).

    N counts the weights that are multiplied: the blocks' matrices and the head, not the embedding, which is
    looked up. Attention is counted whole, as PaLM does, though the causal half of it is skipped.
    """
    blocks = config.n_layer * (4 * config.n_embd**2 + 2 * config.n_embd * config.n_inner)
    matrices = blocks + config.n_embd * config.vocab_size
    return 6.0 * matrices + 12.0 * config.n_layer * config.n_embd * config.n_positions


def nominal_peak(device: torch.device) -> float | None:
    """Data-sheet bf16 FLOP/s of a GPU; None for a CPU or a GPU that is not in the table."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in NOMINAL_PEAKS.items() if part in name), None)


def matmul_peak(device: torch.device, dtype: torch.dtype, *, rounds: int = 5) -> float:
    """Measured FLOP/s of a large square matrix product, the median of some rounds."""
    size = 8192 if device.type == "cuda" else 1024
    left = torch.randn(size, size, device=device).to(dtype)
    right = torch.randn(size, size, device=device).to(dtype)
    left @ right
    seconds = []
    for _ in range(rounds):
        _settle(device)
        began = time.perf_counter()
        for _ in range(4):
            left @ right
        _settle(device)
        seconds.append((time.perf_counter() - began) / 4)
    return 2.0 * size**3 / median(seconds)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
