"""In which precision a run multiplies: the fast one of the hardware, unless the recipe says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import torch

NATIVE = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "Arm"}
"""PyTorch's names of the processor features that multiply bfloat16, and whose instructions they are."""


@dataclass(frozen=True)
class Precision:
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


def choose_precision(asked: str, device: torch.device) -> Precision:
    """The precision for a device, by its features alone, so that a resumed run computes as before.

    Without the instructions, bfloat16 is emulated, and several times slower than float32.

    Args:
        asked: "auto", "bfloat16" or "float32".
        device: what will compute.
    """
    native, reason = _native_bfloat16(device)
    if asked == "auto":
        return Precision(torch.bfloat16 if native else torch.float32, reason)
    slow = f", though {reason}" if asked == "bfloat16" and not native else ""
    return Precision(getattr(torch, asked), f"run.precision says so{slow}")


def _native_bfloat16(device: torch.device) -> tuple[bool, str]:
    """Whether a device multiplies bfloat16 itself, and a half-sentence that says so."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return native, f"this GPU has {'' if native else 'no '}bfloat16 arithmetic"
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found = next((maker for feature, maker in NATIVE.items() if features.get(feature)), None)
    if found is None:
        return False, "this processor has no bfloat16 instructions"
    return True, f"this processor has {found} bfloat16 instructions"
