"""The prefill graph of a model with int4 weights: it reads prompts with int8 products, fast for many tokens at once.

ONNX Runtime multiplies int4 matrices no faster than float32 ones if a call has many tokens. With int8 weights and
activations, processors with VNNI or AMX multiply several times as fast. For one token at a time, the larger weights
cost more than they gain. So the graph `PREFILL_GRAPH` of a model folder reads the part of a prompt that stays while the
user types. It computes keys and values only. Its int8 weights are made from the folder's int4 ones when it is opened,
with a scale per output in place of one per block.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.onnx_session import OpenSession, has_vnni, new_session
from cg2ls.engine.request import EngineError
from cg2ls.models.folder.description import GRAPH, PREFILL_GRAPH
from cg2ls.models.folder.external_data import find_tensors
from cg2ls.models.graph_io import (
    INT4_PARTS,
    PREFILL_SCALE,
    PREFILL_WEIGHT,
    all_present_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from cg2ls.models.folder.description import ModelDescription

LEVELS = 127
"""Largest level of an int8 weight; -128 is not used."""

FRACTION_BITS = 8
"""Bits after the binary point of the factors from int4 to int8 levels."""


def count_prefill_bytes(model: ModelDescription, folder: Path, *, wanted: bool | None) -> int:
    """Return the bytes of the int8 weights in memory, ours and ONNX Runtime's copy; 0 where there are none.

    Args:
        model: description of the model.
        folder: the verified model folder.
        wanted: whether to use the graph; None where the processor has VNNI.

    Raises:
        EngineError: the graph has no such weights.
    """
    if PREFILL_GRAPH not in model.files or not (has_vnni() if wanted is None else wanted):
        return 0
    declared = find_tensors((folder / PREFILL_GRAPH).read_bytes())
    held = 2 * sum(prod(each.dims) for name, each in declared.items() if name.endswith(PREFILL_WEIGHT))
    if not held:
        raise EngineError(f"{folder / PREFILL_GRAPH} does not fit its model.json; convert the model again.")
    return held


def open_prefill(model: ModelDescription, folder: Path, opened: OpenSession) -> OpenSession | None:
    """Open the prefill graph of a model folder that has one.

    Args:
        model: description of the model.
        folder: the verified model folder.
        opened: the open session of the model's own graph.

    Returns:
        The open session; None where the model does not run on the processor.

    Raises:
        EngineError: the graph does not open or does not fit the model.
    """
    if opened.provider != "cpu":
        return None
    path = folder / PREFILL_GRAPH
    try:
        held = dict(_held_weights(folder))
        prefill = replace(
            opened,
            session=new_session(opened.ort, path, opened.provider, opened.threads, weights=held),
            weights=held,
        )
    except Exception as error:  # ONNX Runtime raises its own, undocumented classes
        raise EngineError(f"{path} could not be opened ({error}); convert the model again.") from None
    if [entry.name for entry in prefill.session.get_outputs()] != all_present_names(
        model.architecture.n_layer
    ):
        raise EngineError(f"{path} does not fit its model.json; convert the model again.")
    return prefill


def _held_weights(folder: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the name and values of each tensor that the prefill graph reads from memory."""
    tensors = find_tensors((folder / GRAPH).read_bytes())
    packed, scales, zeros = INT4_PARTS
    for name, declared in find_tensors((folder / PREFILL_GRAPH).read_bytes()).items():
        if name.endswith(PREFILL_WEIGHT):
            matrix = name.removesuffix(PREFILL_WEIGHT)
            parts = (tensors[matrix + part].read(folder) for part in (packed, scales, zeros))
            levels, scale = round_to_int8(*parts)
            yield name, levels[: declared.dims[0]]  # the last block may be longer than the matrix
            yield matrix + PREFILL_SCALE, scale


def round_to_int8(
    packed: NDArray[np.uint8], scales: NDArray[np.float32], zeros: NDArray[np.uint8]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix of MatMulNBits with four bits to eight bits with a scale per output.

    The arithmetic is in int16, five times as fast as in float32. Its factors have `FRACTION_BITS`, which adds 1 % to
    the error of rounding.

    Args:
        packed: two levels a byte, the lower four bits first, uint8 [out, blocks, block / 2].
        scales: scale of each block, [out, blocks].
        zeros: level of zero of each block, packed alike, uint8 [out, blocks / 2 rounded up].

    Returns:
        Levels int8 [in, out], and scales float32 [out].
    """
    rows, blocks = packed.shape[:2]
    scales = scales.reshape(rows, blocks)
    zero = _unpack(zeros.reshape(rows, -1))[:, :blocks]
    largest = (np.maximum(15 - zero, zero) * scales).max(axis=1)
    scale = (np.where(largest > 0, largest, 1) / LEVELS).astype(np.float32)
    factors = np.floor(scales / scale[:, None] * (1 << FRACTION_BITS)).astype(np.int16)
    offsets = ((1 << (FRACTION_BITS - 1)) - zero * factors).astype(np.int16)
    levels = _unpack(packed)
    levels *= factors[:, :, None]
    levels += offsets[:, :, None]
    levels >>= FRACTION_BITS
    return np.ascontiguousarray(levels.astype(np.int8).reshape(rows, -1).T), scale


def _unpack(packed: NDArray[np.uint8]) -> NDArray[np.int16]:
    levels = np.empty((*packed.shape[:-1], 2 * packed.shape[-1]), np.int16)
    levels[..., 0::2] = packed & 15
    levels[..., 1::2] = packed >> 4
    return levels
