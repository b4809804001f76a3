"""Hardware of a run: arithmetic speed, precision, threads and memory."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from dataclasses import dataclass
from statistics import median

import torch

from cg2ls.models.codegen2 import CodeGenConfig

NOMINAL_PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""Dense bf16 FLOP/s of the vendors' data sheets, by a part of the device's name."""


def flops_per_token(config: CodeGenConfig) -> float:
    """Return the training FLOPs of one token: 6 N + 12 L d T.

    The formula is that of PaLM (Chowdhery et al. 2022, appendix B). N counts the multiplied weights: the
    blocks' matrices and the head, but not the embedding, which is a lookup. Attention counts in full, as in PaLM,
    although causal attention skips half of it.
    """
    blocks = config.n_layer * (4 * config.n_embd**2 + 2 * config.n_embd * config.n_inner)
    matrices = blocks + config.n_embd * config.vocab_size
    return 6.0 * matrices + 12.0 * config.n_layer * config.n_embd * config.n_positions


def nominal_peak(device: torch.device) -> float | None:
    """Return the data-sheet bf16 FLOP/s of a GPU; None for a CPU or a GPU outside the table."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in NOMINAL_PEAKS.items() if part in name), None)


def measure_matmul_peak(device: torch.device, dtype: torch.dtype, *, rounds: int = 5) -> float:
    """Measure the FLOP/s of a large square matrix product; return the median of the rounds."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    a @ b
    seconds = []
    for _ in range(rounds):
        _synchronize(device)
        began = time.perf_counter()
        for _ in range(4):
            a @ b
        _synchronize(device)
        seconds.append((time.perf_counter() - began) / 4)
    return 2.0 * size**3 / median(seconds)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


BFLOAT16_FEATURES = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "Arm"}
"""Processor features that multiply bfloat16, as PyTorch names them, and the names of their instruction sets."""


@dataclass(frozen=True)
class ComputePrecision:
    """Dtype of weights, gradients and activations; the optimizer's copy is always float32.

    Attributes:
        dtype: bfloat16 or float32.
        reason: reason for the choice, as a clause.
    """

    dtype: torch.dtype
    reason: str

    @property
    def name(self) -> str:
        """Name of the dtype in a recipe."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        return f"computing in {self.name}: {self.reason}"


def choose_precision(requested: str, device: torch.device) -> ComputePrecision:
    """Choose the precision by the device's features alone, so that a resumed run computes as before.

    Without bfloat16 instructions, bfloat16 is emulated and several times slower than float32.

    Args:
        requested: "auto", "bfloat16" or "float32".
        device: device that will compute.
    """
    native, reason = _native_bfloat16(device)
    if requested == "auto":
        return ComputePrecision(torch.bfloat16 if native else torch.float32, reason)
    slow = f", though {reason}" if requested == "bfloat16" and not native else ""
    return ComputePrecision(getattr(torch, requested), f"set by run.precision{slow}")


def _native_bfloat16(device: torch.device) -> tuple[bool, str]:
    """Return whether a device multiplies bfloat16 natively, with a clause that states it."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return native, f"this GPU has {'' if native else 'no '}bfloat16 arithmetic"
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    instructions = next(
        (maker for feature, maker in BFLOAT16_FEATURES.items() if features.get(feature)), None
    )
    if instructions is None:
        return False, "this processor has no bfloat16 instructions"
    return True, f"this processor has {instructions} bfloat16 instructions"


DEFAULT_THREADS = torch.get_num_threads()
"""PyTorch's default: the cores that this process may use, or OMP_NUM_THREADS."""


@dataclass(frozen=True)
class Threads:
    """Number of threads, and the reason for it."""

    count: int
    reason: str

    def __str__(self) -> str:
        """Return a line to print."""
        return f"{self.count} thread{'s' * (self.count > 1)}: {self.reason}"


def choose_threads(requested: int, saved: int) -> Threads:
    """Choose the number of threads of a run.

    More threads than idle cores wait for each other at every product, which is much slower than a single thread.

    Args:
        requested: number in the recipe; 0 for automatic.
        saved: number of a resumed run, since sums are bit-identical only with the same number; 0 if unknown.
    """
    if requested:
        return Threads(requested, "run.threads")
    if saved:
        return Threads(saved, "as before; set run.threads to change it")
    if "OMP_NUM_THREADS" in os.environ:
        return Threads(DEFAULT_THREADS, "OMP_NUM_THREADS")
    busy = _load()
    idle = max(1, min(DEFAULT_THREADS, round(DEFAULT_THREADS - busy)))
    reason = f"{DEFAULT_THREADS} cores, a load of {busy:.1f}"
    return Threads(idle, reason + ("; set run.threads to change it" if idle < DEFAULT_THREADS else ""))


def _load() -> float:
    """Return the number of running or waiting processes in the last minute; 0 if unknown."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return 0.0


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Values of malloc.h; see mallopt(3)."""

NEVER = -1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees.

    On a CPU, PyTorch requests every activation from the C library. glibc maps blocks of 32 MB and more for each request
    and returns them to the system at once. So each step pays for every page of its activations: a tenth of a step
    (docs/reference/training.md). Here the heap is never trimmed; after a few steps it has all the blocks.

    Returns:
        False, with nothing changed, if the C library is not glibc.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, NEVER))
