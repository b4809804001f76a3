"""Print how long attention takes in training on this processor, PyTorch's and this project's, in turns.

python tools/attention_speed.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from cg2_training.model.attention import causal_attention
from cg2_training.run.hardware import keep_freed_memory
from cg2ls.commandline import aligned

SHAPES = ((4, 8, 1024, 64), (8, 8, 1024, 64), (16, 4, 512, 64), (1, 12, 2048, 64), (8, 4, 256, 32))
"""Rows, heads, time, head_dim: the 42M benchmark, the default, python-small, longer and shorter ones."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def run_pytorch(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Run PyTorch's attention."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def run_own(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Run this project's attention."""
    return causal_attention(query, key, value, layers=1)


def measure(shape: tuple[int, int, int, int], rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of each, forward and backward."""
    rows, heads, length, width = shape
    parts = [torch.randn(rows, length, heads, width).transpose(1, 2).requires_grad_() for _ in range(3)]
    after = torch.randn(rows, heads, length, width)
    taken: dict[Attend, list[float]] = {run_pytorch: [], run_own: []}
    for counts in (False, False, *[True] * rounds):
        for attend, times in taken.items():
            began = time.perf_counter()
            torch.autograd.grad(attend(*parts), parts, after)
            if counts:
                times.append(1000 * (time.perf_counter() - began))
    return median(taken[run_pytorch]), median(taken[run_own])


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    keep_freed_memory()
    rows = [["rows x heads x time x head_dim", "PyTorch, ms", "ours, ms", "ours / PyTorch"]]
    for shape in SHAPES:
        pytorch_ms, own_ms = measure(shape, rounds)
        rows.append(
            [" x ".join(map(str, shape)), f"{pytorch_ms:.1f}", f"{own_ms:.1f}", f"{own_ms / pytorch_ms:.2f}"]
        )
    print(aligned(rows, right=range(1, 4)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
