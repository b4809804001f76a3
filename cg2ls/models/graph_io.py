"""Names of the inputs and outputs of a model folder's graph: one contract for its writer and its readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

INPUT_IDS = "input_ids"
"""int64 [batch, tokens]: the tokens of this call."""

SEQLENS_K = "seqlens_k"
"""int32 [batch]: the index of each sequence's last token, in the whole text."""

TOTAL_SEQUENCE_LENGTH = "total_sequence_length"
"""int32 scalar: tokens after this call, the cached ones included."""

LOGITS_POSITIONS = "logits_positions"
"""int64 [positions]: the tokens of this call whose logits are computed."""

CALL_INPUTS = (INPUT_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, LOGITS_POSITIONS)
"""Inputs of a call besides the key/value cache, in the graph's order."""

LOGITS = "logits"
"""float32 [batch, positions, vocabulary]."""

PAST, PRESENT = "past_key_values", "present"
CACHE_PARTS = ("key", "value")
"""A cache tensor is `{PAST or PRESENT}.{layer}.{part}`, [batch, heads, context length, head_dim]."""


INT4_PARTS = (".weight_int4", ".weight_scales", ".weight_zero_points")
"""Ends of the names of an int4 matrix's tensors: packed levels, scales and zero points of MatMulNBits."""

PREFILL_WEIGHT, PREFILL_SCALE = ".weight_prefill", ".weight_prefill_scale"
"""Ends of the names of a matrix's tensors in the prefill graph: int8 [in, out] and float32 [out]. No file has them; the
engine makes them from the int4 matrix."""

PREFILL_LOCATION = "in memory"
"""Location of these tensors in the prefill graph, in place of a file's name."""


def past_names(layer: int) -> list[str]:
    """Return the names of one layer's cache inputs, keys first."""
    return [f"{PAST}.{layer}.{part}" for part in CACHE_PARTS]


def present_names(layer: int) -> list[str]:
    """Return the names of one layer's cache outputs, keys first."""
    return [f"{PRESENT}.{layer}.{part}" for part in CACHE_PARTS]


def all_past_names(n_layer: int) -> list[str]:
    """Return the names of every layer's cache inputs, in the graph's order."""
    return [name for layer in range(n_layer) for name in past_names(layer)]


def all_present_names(n_layer: int) -> list[str]:
    """Return the names of every layer's cache outputs, in the graph's order."""
    return [name for layer in range(n_layer) for name in present_names(layer)]


def call_feeds(tokens: npt.NDArray[np.int64], total: int) -> dict[str, npt.NDArray[Any]]:
    """Return the inputs of a call that gives the logits after each of its tokens.

    Args:
        tokens: token ids of one sequence, int64 [count].
        total: tokens after this call, the cached ones included.
    """
    return {
        INPUT_IDS: tokens[None],
        SEQLENS_K: np.array([total - 1], np.int32),
        TOTAL_SEQUENCE_LENGTH: np.array(total, np.int32),
        LOGITS_POSITIONS: np.arange(len(tokens), dtype=np.int64),
    }
