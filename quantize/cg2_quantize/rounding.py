"""Rounding matrices to eight and four bits, and back.

Matrices here are as ONNX's MatMul wants them: [inputs, outputs].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Fractions of a block's range that are tried as the range of its 16 levels; the least squared error wins."""

ROWS_AT_ONCE = 4096
"""Rows rounded together, so that temporaries stay small beside the matrix."""


def round_int8(values: Float32, axis: int) -> tuple[npt.NDArray[np.int8], Float32]:
    """Symmetric int8 in [-127, 127], with one scale per index of the axis that is not reduced.

    Args:
        values: [rows, columns].
        axis: the axis reduced over: 0 gives a scale per column, 1 one per row.

    Returns:
        int8 values of the same shape, and float32 scales that keep the reduced axis with length 1.
    """
    scale = np.abs(values).max(axis=axis, keepdims=True).astype(np.float32) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(values / scale).astype(np.int8), scale


def restore_int8(rounded: npt.NDArray[np.int8], scale: Float32) -> Float32:
    """Values that `round_int8` kept."""
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


def round_blocks(values: Float32, *, bits: int, block_size: int) -> Blocks:
    """Asymmetric rounding of blocks along the inputs: value = (level - zero point) * scale.

    Args:
        values: [inputs, outputs].
        bits: 4 or 8.
        block_size: inputs that share a scale, a power of two of at least 16.
    """
    inputs = values.shape[0]
    parts = [
        _round_rows(np.ascontiguousarray(values[:, start : start + ROWS_AT_ONCE].T), bits, block_size)
        for start in range(0, values.shape[1], ROWS_AT_ONCE)
    ]
    levels, scales, zeros = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Blocks(_pack(levels, bits), scales, _pack(zeros, bits), inputs, bits)


def restore_blocks(blocks: Blocks) -> Float32:
    """Values that `round_blocks` kept, [inputs, outputs]."""
    outputs, count = blocks.scales.shape
    levels = _unpack(blocks.packed, blocks.bits).astype(np.float32)
    zeros = _unpack(blocks.zero_points, blocks.bits)[:, :count].astype(np.float32)
    values = (levels - zeros[:, :, None]) * blocks.scales[:, :, None]
    return np.ascontiguousarray(values.reshape(outputs, -1)[:, : blocks.inputs].T)


def _round_rows(
    rows: Float32, bits: int, block_size: int
) -> tuple[npt.NDArray[np.uint8], Float32, npt.NDArray[np.uint8]]:
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % block_size)))
    blocks = padded.reshape(rows.shape[0], -1, block_size)
    top = (1 << bits) - 1
    low = np.minimum(blocks.min(axis=2), 0)
    span = np.maximum(blocks.max(axis=2), 0) - low
    best: tuple[Float32, ...] = ()
    for shrink in SHRINKS if bits == 4 else SHRINKS[:1]:
        scale = np.where(span > 0, span * np.float32(shrink) / np.float32(top), 1).astype(np.float32)
        zero = np.clip(np.rint(-low * np.float32(shrink) / scale), 0, top).astype(np.float32)
        levels = np.clip(np.rint(blocks / scale[:, :, None]) + zero[:, :, None], 0, top).astype(np.float32)
        error = np.square((levels - zero[:, :, None]) * scale[:, :, None] - blocks).sum(axis=2)
        if not best:
            best = (error, levels, scale, zero)
        else:
            better = error < best[0]
            candidates = (error, levels, scale, zero)
            best = tuple(
                np.where(better[:, :, None] if new.ndim == 3 else better, new, old)
                for new, old in zip(candidates, best, strict=True)
            )
    _, levels, scale, zero = best
    return levels.astype(np.uint8), scale, zero.astype(np.uint8)


def _pack(levels: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Two 4-bit levels per byte along the last axis, the first in the low half."""
    if bits == 8:
        return levels
    if levels.shape[-1] % 2:
        levels = np.pad(levels, [(0, 0)] * (levels.ndim - 1) + [(0, 1)])
    return levels[..., ::2] | (levels[..., 1::2] << np.uint8(4))


def _unpack(packed: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    if bits == 8:
        return packed
    halves = np.stack((packed & np.uint8(15), packed >> np.uint8(4)), axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)
