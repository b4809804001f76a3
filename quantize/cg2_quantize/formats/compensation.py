"""Rounding to blocks that compensates each weight's error by the weights after it.

This is GPTQ (Frantar et al. 2022, arXiv 2210.17323): inputs are rounded one after the other, and the error of a
product over the calibration set decides how much the following inputs take over. Ranges of a block are chosen when
its first input is reached, from the weights as they are then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.formats.rounding import Blocks, pack, round_block_ranges

if TYPE_CHECKING:
    from cg2_quantize.formats.rounding import Float32

DAMPING = 0.05
"""Part of the mean energy of inputs that is added to each one's, since the calibration set has few tokens."""


def round_compensated(values: Float32, covariance: Float32, *, bits: int, block_size: int) -> Blocks:
    """Round blocks of inputs as `round_blocks` does, with errors compensated.

    Args:
        values: [inputs, outputs].
        covariance: mean of x * x' over the calibration set, [inputs, inputs].
        bits: 4 or 8.
        block_size: inputs that share a scale.
    """
    inputs, outputs = values.shape
    count, top = -(-inputs // block_size), (1 << bits) - 1
    factor = _inverse_factor(covariance)
    rows = np.array(values, np.float32)  # [inputs, outputs]: an input's weights are contiguous
    levels = np.zeros((outputs, count, block_size), np.uint8)
    scales = np.ones((outputs, count), np.float32)
    zeros = np.zeros((outputs, count), np.uint8)
    for block in range(count):
        first, end = block * block_size, min((block + 1) * block_size, inputs)
        here = rows[first:end]
        padded = np.zeros((outputs, 1, block_size), np.float32)
        padded[:, 0, : len(here)] = here.T
        scale, zero = round_block_ranges(padded, bits)
        errors, found = np.empty_like(here), np.empty(here.shape, np.uint8)
        for at in range(len(here)):
            level = np.clip(np.rint(here[at] / scale) + zero, 0, top)
            found[at] = level
            errors[at] = (here[at] - (level - zero) * scale) / factor[first + at, first + at]
            here[at + 1 :] -= np.outer(factor[first + at, first + at + 1 : end], errors[at])
        rows[end:] -= factor[first:end, end:].T @ errors
        levels[:, block] = zero.astype(np.uint8)[:, None]  # padding has the value 0
        levels[:, block, : len(here)] = found.T
        scales[:, block], zeros[:, block] = scale, zero
    return Blocks(pack(levels, bits), scales, pack(zeros, bits), inputs, bits)


def _inverse_factor(covariance: Float32) -> Float32:
    """Return U, upper triangular, with U' U the inverse of the damped covariance."""
    damped = covariance.astype(np.float64)
    mean = float(np.trace(damped)) / len(damped)
    damped[np.diag_indices_from(damped)] += DAMPING * mean if mean > 0 else 1.0
    inverse = np.linalg.inv(damped)
    return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T, np.float32)
