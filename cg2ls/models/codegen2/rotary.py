"""Frequencies of the rotary embedding (RoPE, Su et al. 2021, arXiv 2104.09864) and their scaling for long contexts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ROTARY_BASE = 10000.0
"""Base of CodeGen2 and of the first Llama."""

LINEAR, LLAMA3 = "linear", "llama3"

PLAIN = "default"
"""Name of no scaling in config.json."""

SCALING_KEYS: dict[str, tuple[str, ...]] = {
    PLAIN: (),
    LINEAR: ("factor",),
    LLAMA3: ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}
"""Settings of each kind of scaling that is read here; every other kind is refused by name."""


class RotaryError(ValueError):
    """Settings of the rotary embedding that are not supported."""


@dataclass(frozen=True, kw_only=True)
class RotaryScaling:
    """Slower rotation for contexts longer than those of the first training.

    Attributes:
        kind: "linear" divides every frequency (Chen et al. 2023, arXiv 2306.15595); "llama3" divides only those whose
            wavelength is long beside the original context (Llama 3.1).
        factor: divisor.
        low_freq_factor: wavelengths above original_positions / low_freq_factor are divided in full.
        high_freq_factor: wavelengths below original_positions / high_freq_factor stay.
        original_positions: context of the first training, tokens.
    """

    kind: str
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_positions: int = 8192

    def apply(self, frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the scaled frequencies, float64 [rotary_dim / 2]."""
        slow = frequencies / self.factor
        if self.kind == LINEAR:
            return slow
        turns = self.original_positions * frequencies / (2 * math.pi)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = np.clip(kept, 0.0, 1.0)
        return np.asarray(kept * frequencies + (1 - kept) * slow, np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the object `rope_scaling` of a config.json."""
        stated = asdict(self) | {"original_max_position_embeddings": self.original_positions}
        return {"rope_type": self.kind, **{key: stated[key] for key in SCALING_KEYS[self.kind]}}


def compute_frequencies(
    width: int, base: float = ROTARY_BASE, scaling: RotaryScaling | None = None
) -> npt.NDArray[np.float64]:
    """Return the angle per position of every pair of channels, float64 [width / 2]: base^(-2i / width), scaled."""
    plain = base ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    return plain if scaling is None else scaling.apply(plain)


def read_rotary(raw: Mapping[str, Any]) -> tuple[float, RotaryScaling | None]:
    """Read the base and the scaling of a config.json, from its older keys or from `rope_parameters`.

    Raises:
        RotaryError: a kind of scaling or a setting that is not read here, or a value out of range.
    """
    settings: dict[str, Any] = {}
    for key in ("rope_scaling", "rope_parameters"):
        stated = raw.get(key)
        if stated is not None and not isinstance(stated, Mapping):
            raise RotaryError(f"{key} is {stated!r}, but must be an object")
        settings |= {name: value for name, value in (stated or {}).items() if value is not None}
    base = _positive(settings.pop("rope_theta", raw.get("rope_theta") or ROTARY_BASE), "rope_theta")
    kind = settings.pop("rope_type", None) or settings.get("type") or PLAIN
    settings.pop("type", None)
    if kind not in SCALING_KEYS:
        raise RotaryError(f"rotary scaling is {kind!r}; only 'linear' and 'llama3' can be read here")
    if odd := next((name for name in settings if name not in SCALING_KEYS[kind]), None):
        raise RotaryError(f"{kind!r} rotary scaling has {odd} {settings[odd]!r}, which is not known here")
    if kind == PLAIN:
        return base, None
    if absent := next((name for name in SCALING_KEYS[kind] if name not in settings), None):
        raise RotaryError(f"{kind!r} rotary scaling has no {absent}")
    factors = {name: _positive(value, name) for name, value in settings.items()}
    positions = factors.pop("original_max_position_embeddings", 8192.0)
    scaling = RotaryScaling(kind=str(kind), original_positions=int(positions), **factors)
    if scaling.high_freq_factor <= scaling.low_freq_factor:
        raise RotaryError("high_freq_factor of 'llama3' rotary scaling must be above low_freq_factor")
    return base, scaling


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise RotaryError(f"{name} is {value!r}, but must be a positive number")
    return float(value)
