"""Constants of the int4 format, shared by quantization and by training that prepares weights for it."""

from __future__ import annotations

BLOCK_SIZE = 32
"""Inputs of a matrix that share a scale and a zero point."""

MIN_MOVED_GAIN_SHARE = 1 / 64
"""Gains of a norm below this share of its largest stay in the norm; the others move into the next matrix."""
