"""Matrices rounded to eight and four bits, and restored.

Matrices are [inputs, outputs], as ONNX's MatMul takes them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Float32 = npt.NDArray[np.float32]

RANGE_FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Fractions of a block's range to try as the range of its 16 levels; the least squared error decides."""

MIN_IMPORTANCE = 1e-3
"""Importance of an input that was always 0 in the calibration, relative to the mean."""

SCALE_REFITS = 2
"""Number of times that a block's scale is fitted to its levels by least squares and the levels are chosen again."""

WEIGHTS_PER_TASK = 1 << 18
"""Weights that a thread rounds together: few enough that its temporaries fit the processor's cache."""


def round_int8(values: Float32, axis: int) -> tuple[npt.NDArray[np.int8], Float32]:
    """Round symmetrically to int8 in [-127, 127], with one scale per index of the axis that is not reduced.

    Args:
        values: [rows, columns].
        axis: the axis reduced over: 0 gives a scale per column, 1 one per row.

    Returns:
        int8 values of the same shape, and float32 scales that keep the reduced axis with length 1.
    """
    rows = values.T if axis == 0 else values
    levels = np.empty(rows.shape, np.int8) if axis else np.empty(values.shape, np.int8).T
    scale = np.empty((len(rows), 1), np.float32)

    def work(part: slice) -> None:
        largest = np.maximum(rows[part].max(axis=1), -rows[part].min(axis=1)) / np.float32(127)
        scale[part, 0] = np.where(largest == 0, np.float32(1), largest)
        levels[part] = np.rint(rows[part] / scale[part])

    run_in_parts(work, *rows.shape)
    return (levels, scale) if axis else (levels.T, scale.T)


def run_in_parts(work: Callable[[slice], None], rows: int, columns: int) -> None:
    """Call `work` for consecutive slices of rows, `WEIGHTS_PER_TASK` values each, on all processors."""
    step = max(1, WEIGHTS_PER_TASK // max(1, columns))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(work, [slice(at, min(at + step, rows)) for at in range(0, rows, step)]):
            pass


def restore_int8(rounded: npt.NDArray[np.int8], scale: Float32) -> Float32:
    """Restore the values that `round_int8` rounded to."""
    return rounded.astype(np.float32) * scale


@dataclass(frozen=True)
class Blocks:
    """A matrix in the layout of com.microsoft MatMulNBits.

    Attributes:
        packed: uint8 [outputs, blocks, block_size * bits / 8]; of two 4-bit values the first is the low half.
        scales: float32 [outputs, blocks].
        zero_points: uint8 [outputs, ceil(blocks * bits / 8)], packed the same way along the blocks.
        inputs: rows of the matrix, without the padding of the last block.
        bits: 4 or 8.
    """

    packed: npt.NDArray[np.uint8]
    scales: Float32
    zero_points: npt.NDArray[np.uint8]
    inputs: int
    bits: int


def round_blocks(values: Float32, *, bits: int, block_size: int, importance: Float32 | None = None) -> Blocks:
    """Round blocks of inputs asymmetrically: value = (level - zero point) * scale.

    Args:
        values: [inputs, outputs].
        bits: 4 or 8.
        block_size: inputs that share a scale, a power of two of at least 16.
        importance: weights [inputs] of the squared errors that 4-bit ranges are chosen by; None for equal ones.
    """
    rows = values.T
    outputs, inputs = rows.shape
    count = -(-inputs // block_size)
    levels = np.empty((outputs, count, block_size), np.uint8)
    scales = np.empty((outputs, count), np.float32)
    zeros = np.empty((outputs, count), np.uint8)

    weights = None
    if importance is not None:
        weights = np.zeros((count, block_size), np.float32)
        weights.reshape(-1)[:inputs] = importance / max(float(importance.mean()), 1e-30) + MIN_IMPORTANCE

    def work(part: slice) -> None:
        padded = np.zeros((part.stop - part.start, count * block_size), np.float32)
        padded[:, :inputs] = rows[part]
        blocks = padded.reshape(-1, count, block_size)
        levels[part], scales[part], zeros[part] = _round_blocks(blocks, bits, weights)

    run_in_parts(work, outputs, inputs)
    return Blocks(pack(levels, bits), scales, pack(zeros, bits), inputs, bits)


def restore_blocks(blocks: Blocks) -> Float32:
    """Restore the values [inputs, outputs] that `round_blocks` rounded to."""
    outputs, count = blocks.scales.shape
    levels = unpack(blocks.packed, blocks.bits).astype(np.float32)
    zeros = unpack(blocks.zero_points, blocks.bits)[:, :count].astype(np.float32)
    values = (levels - zeros[:, :, None]) * blocks.scales[:, :, None]
    return np.ascontiguousarray(values.reshape(outputs, -1)[:, : blocks.inputs].T)


def round_block_ranges(blocks: Float32, bits: int) -> tuple[Float32, Float32]:
    """Choose the scale and the zero point of one block per row, each [rows], for blocks [rows, 1, block_size]."""
    _, scales, zeros = _round_blocks(blocks, bits, None)
    return scales[:, 0], zeros[:, 0]


def restore_levels(
    levels: npt.NDArray[Any], scales: Float32, zero_points: npt.NDArray[Any], block_size: int
) -> Float32:
    """Restore values [inputs, outputs] of levels; scales and zero points are [blocks, outputs]."""
    rows = np.arange(levels.shape[0]) // block_size
    values = levels.astype(np.float32) - zero_points.astype(np.float32)[rows]
    return np.asarray(values * scales[rows], np.float32)


def _round_blocks(blocks: Float32, bits: int, weights: Float32 | None) -> tuple[Float32, Float32, Float32]:
    """Return levels in the shape of `blocks` [rows, blocks, block_size], and scales and zero points [rows, blocks]."""
    top = (1 << bits) - 1
    low = np.minimum(blocks.min(axis=2), 0)
    span = np.maximum(blocks.max(axis=2), 0) - low
    full = np.where(span > 0, span / np.float32(top), 1).astype(np.float32)
    zero = np.clip(np.rint(-low / full), 0, top).astype(np.float32)
    best = np.full(full.shape, np.inf, np.float32)
    kept, scales = np.empty_like(blocks), full
    levels, error = np.empty_like(blocks), np.empty_like(blocks)

    def weighted(a: Float32, b: Float32) -> Float32:
        sums: Float32 = np.einsum("rbi,rbi->rb", a, b if weights is None else b * weights)
        return sums

    def offer(scale: Float32) -> None:
        nonlocal scales
        np.multiply(blocks, np.reciprocal(scale)[:, :, None], out=levels)
        np.rint(levels, out=levels)
        np.clip(levels, -zero[:, :, None], top - zero[:, :, None], out=levels)
        np.multiply(levels, scale[:, :, None], out=error)
        np.subtract(error, blocks, out=error)
        total = weighted(error, error)
        better = total < best
        np.copyto(best, total, where=better)
        scales = np.where(better, scale, scales)
        np.copyto(kept, levels, where=better[:, :, None])

    for shrink in RANGE_FRACTIONS if bits == 4 else RANGE_FRACTIONS[:1]:
        offer(full * np.float32(shrink))
    for _ in range(SCALE_REFITS if bits == 4 else 0):
        fitted = weighted(kept, blocks) / np.maximum(weighted(kept, kept), 1e-30)
        offer(np.where(fitted > 0, fitted, scales))
    kept += zero[:, :, None]
    return kept, scales, zero


def pack(levels: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Pack two 4-bit levels per byte along the last axis, the first in the low half."""
    if bits == 8:
        return levels
    if levels.shape[-1] % 2:
        levels = np.pad(levels, [(0, 0)] * (levels.ndim - 1) + [(0, 1)])
    return levels[..., ::2] | (levels[..., 1::2] << np.uint8(4))


def unpack(packed: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Unpack the levels that `round_blocks` packed along the last axis."""
    if bits == 8:
        return packed
    halves = np.stack((packed & np.uint8(15), packed >> np.uint8(4)), axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)
