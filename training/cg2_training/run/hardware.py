"""What the hardware offers a run: arithmetic speed, precision, threads and memory."""

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


def measure_matmul_peak(device: torch.device, dtype: torch.dtype, *, rounds: int = 5) -> float:
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


BFLOAT16_FEATURES = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "Arm"}
"""PyTorch's names of the processor features that multiply bfloat16, and whose instructions they are."""


@dataclass(frozen=True)
class ComputePrecision:
    """What weights, gradients and activations are kept in; the optimizer's copy is float32 either way.

    Attributes:
        dtype: bfloat16 or float32.
        reason: why, in half a sentence.
    """

    dtype: torch.dtype
    reason: str

    @property
    def name(self) -> str:
        """The word a recipe uses for it."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        return f"computing in {self.name}: {self.reason}"


def choose_precision(asked: str, device: torch.device) -> ComputePrecision:
    """Return the precision for a device, by its features alone, so that a resumed run computes as before.

    Without the instructions, bfloat16 is emulated, and several times slower than float32.

    Args:
        asked: "auto", "bfloat16" or "float32".
        device: what will compute.
    """
    native, reason = _native_bfloat16(device)
    if asked == "auto":
        return ComputePrecision(torch.bfloat16 if native else torch.float32, reason)
    slow = f", though {reason}" if asked == "bfloat16" and not native else ""
    return ComputePrecision(getattr(torch, asked), f"run.precision says so{slow}")


def _native_bfloat16(device: torch.device) -> tuple[bool, str]:
    """Tell whether a device multiplies bfloat16 itself, and a half-sentence that says so."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return native, f"this GPU has {'' if native else 'no '}bfloat16 arithmetic"
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found = next((maker for feature, maker in BFLOAT16_FEATURES.items() if features.get(feature)), None)
    if found is None:
        return False, "this processor has no bfloat16 instructions"
    return True, f"this processor has {found} bfloat16 instructions"


DEFAULT_THREADS = torch.get_num_threads()
"""PyTorch's own choice, before anything was set: the cores that this process may use, or OMP_NUM_THREADS."""


@dataclass(frozen=True)
class Threads:
    """A number of threads, and where it comes from."""

    count: int
    why: str

    def __str__(self) -> str:
        """Return a line to print."""
        return f"{self.count} thread{'s' * (self.count > 1)}: {self.why}"


def choose_threads(wanted: int, noted: int) -> Threads:
    """Choose the threads of a run.

    More threads than idle cores wait for one another at every product, which is slower by far than one thread alone.

    Args:
        wanted: what the recipe says; 0 if it leaves the choice.
        noted: what a run that goes on had before, since sums come out to the bit only with the same; 0 if unknown.
    """
    if wanted:
        return Threads(wanted, "run.threads")
    if noted:
        return Threads(noted, "as before; run.threads sets another number")
    if "OMP_NUM_THREADS" in os.environ:
        return Threads(DEFAULT_THREADS, "OMP_NUM_THREADS")
    busy = _load()
    idle = max(1, min(DEFAULT_THREADS, round(DEFAULT_THREADS - busy)))
    told = f"{DEFAULT_THREADS} cores, a load of {busy:.1f}"
    return Threads(idle, told + ("; run.threads sets another number" if idle < DEFAULT_THREADS else ""))


def _load() -> float:
    """Processes that ran or waited for a core in the last minute; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return 0.0


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""As malloc.h has them; see mallopt(3)."""

NEVER = -1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees.

    Returns:
        False where the C library is not glibc; nothing changes there.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, NEVER))
