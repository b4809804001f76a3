"""Key/value cache of one context: buffers as long as the context, and the tokens that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.models.graph_io import all_past_names, all_present_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.models.folder.description import Architecture


class KVBuffers:
    """Keys and values of every layer, [batch, kv_heads, length, head_dim] each, in the session's memory.

    Each buffer is bound both as `past_key_values.{i}` and as `present.{i}`, so attention writes new positions in
    place and nothing is copied or resized. On the CPU the memory is numpy's.

    Args:
        ort: the onnxruntime module.
        architecture: shape of the network.
        length: number of positions.
        kv_dtype: element type, one of `description.KV_DTYPES`.
        device: ONNX Runtime's name of the memory, such as `cpu` or `cuda`.
        batch: number of sequences.
    """

    def __init__(
        self,
        ort: Any,
        architecture: Architecture,
        *,
        length: int,
        kv_dtype: str,
        device: str,
        batch: int = 1,
    ) -> None:
        shape = [batch, architecture.kv_heads, length, architecture.head_dim]
        layers = architecture.n_layer
        self.length = length
        self._arrays: list[NDArray[Any]] = []
        self._values: list[tuple[str, str, Any]] = []
        for past, present in zip(all_past_names(layers), all_present_names(layers), strict=True):
            if device == "cpu":
                array: NDArray[Any] = np.empty(shape, dtype=kv_dtype)
                # Written now, not as texts grow: the memory that is planned and reported is then in use.
                array.fill(0)
                self._arrays.append(array)
                value = ort.OrtValue.ortvalue_from_numpy(array)
            else:
                value = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.dtype(kv_dtype), device, 0)
            self._values.append((past, present, value))

    def bind(self, binding: Any) -> None:
        """Bind every buffer as input and as output of an IO binding."""
        for past, present, value in self._values:
            binding.bind_ortvalue_input(past, value)
            binding.bind_ortvalue_output(present, value)

    def copy_from(self, other: KVBuffers, length: int) -> bool:
        """Copy the first positions of another cache into every sequence of this one.

        Returns:
            False, with nothing copied, where the memory is not CPU memory.
        """
        if not self._arrays or not other._arrays:
            return False
        for mine, theirs in zip(self._arrays, other._arrays, strict=True):
            mine[:, :, :length] = theirs[:1, :, :length]
        return True

    def copy_rows(self, parents: Sequence[int], start: int, end: int) -> None:
        """Replace positions of sequences by those of other sequences; only in CPU memory.

        Args:
            parents: for each sequence, the number of the one that it becomes.
            start: first position to copy.
            end: position after the last one to copy.
        """
        changed = [row for row, parent in enumerate(parents) if row != parent]
        if changed and start < end:
            sources = [parents[row] for row in changed]
            for array in self._arrays:
                array[changed, :, start:end] = array[sources, :, start:end]


def count_context_bytes(architecture: Architecture, context_length: int, kv_dtype: str) -> int:
    """Return the bytes of one context's keys and values."""
    positions = 2 * architecture.n_layer * context_length
    return positions * architecture.kv_heads * architecture.head_dim * np.dtype(kv_dtype).itemsize


class CachedTokens:
    """Token at each position whose keys and values are valid in the buffers.

    A rollback costs nothing: the buffers stay unchanged, and positions from `length` on are overwritten before
    they are read.

    Attributes:
        length: number of cached tokens.
        prefilled: number of leading tokens whose keys and values were computed by the prefill graph, which differ
            slightly from those of the model's own graph.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self.length = 0
        self.prefilled = 0

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Cached tokens, int64 [length]; a view."""
        return self._tokens[: self.length]

    def count_common_prefix(self, tokens: NDArray[np.int64]) -> int:
        """Return the number of leading tokens that are cached."""
        overlap = min(self.length, len(tokens))
        differing = np.flatnonzero(self._tokens[:overlap] != tokens[:overlap])
        return int(differing[0]) if len(differing) else overlap

    def count_reusable(self, tokens: NDArray[np.int64], stable: int) -> int:
        """Return the number of leading tokens that are cached as a sequence needs them.

        Args:
            tokens: the sequence.
            stable: number of its leading tokens that the prefill graph computes; the model's own graph computes the
                others. So an answer depends on its prompt only, and not on when a part was read.
        """
        common = self.count_common_prefix(tokens)
        return common if self.prefilled == stable else min(common, self.prefilled, stable)

    def truncate(self, length: int) -> None:
        """Drop every position from `length` on."""
        self.length = min(self.length, length)
        self.prefilled = min(self.prefilled, length)

    def append(self, tokens: NDArray[np.int64], *, prefilled: bool = False) -> None:
        """Add tokens whose keys and values were just written.

        Args:
            tokens: int64 [count].
            prefilled: whether the prefill graph computed them; only if it computed all tokens before them.
        """
        end = self.length + len(tokens)
        self._tokens[self.length : end] = tokens
        self.length = end
        if prefilled:
            self.prefilled = end
