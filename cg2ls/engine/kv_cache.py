"""The key/value cache of one context: buffers as long as the context, and which tokens they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.models.graph_io import all_past_names, all_present_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.models.folder.description import Architecture


class KvBuffers:
    """Keys and values of every layer, [batch, n_head, length, head_dim] each, where the session runs.

    Each buffer is bound as `past_key_values.{i}` and as `present.{i}` at once, so attention writes new
    positions in place and nothing is ever copied or grown. On the processor the memory is numpy's, which the
    system provides page by page as positions are first written.

    Args:
        ort: the onnxruntime module.
        architecture: shape of the network.
        length: positions.
        kv_dtype: element type, `float32` or `float16`.
        device: ONNX Runtime's name of the memory, `cpu` or `cuda`.
        batch: sequences that run side by side.
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
        shape = [batch, architecture.n_head, length, architecture.head_dim]
        layers = architecture.n_layer
        self.length = length
        self._arrays: list[NDArray[Any]] = []
        self._values: list[tuple[str, str, Any]] = []
        for past, present in zip(all_past_names(layers), all_present_names(layers), strict=True):
            if device == "cpu":
                array: NDArray[Any] = np.empty(shape, dtype=kv_dtype)
                # Touched now, not as texts grow: memory that is limited and told is memory in use.
                array.fill(0)
                self._arrays.append(array)
                value = ort.OrtValue.ortvalue_from_numpy(array)
            else:
                value = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.dtype(kv_dtype), device, 0)
            self._values.append((past, present, value))

    def bind(self, binding: Any) -> None:
        """Binds every buffer as input and as output of an IO binding."""
        for past, present, value in self._values:
            binding.bind_ortvalue_input(past, value)
            binding.bind_ortvalue_output(present, value)

    def copy_from(self, other: KvBuffers, length: int) -> bool:
        """Takes the first positions of another cache, for every sequence of this one.

        Returns:
            False, with nothing copied, where the memory cannot be reached from here.
        """
        if not self._arrays or not other._arrays:
            return False
        for mine, theirs in zip(self._arrays, other._arrays, strict=True):
            mine[:, :, :length] = theirs[:1, :, :length]
        return True


def context_bytes(architecture: Architecture, context_length: int, kv_dtype: str) -> int:
    """Memory of one context's keys and values, once every position was written."""
    positions = 2 * architecture.n_layer * context_length
    return positions * architecture.n_embd * np.dtype(kv_dtype).itemsize


class CachedTokens:
    """The token at each position whose keys and values are valid in the buffers.

    Rolling back costs nothing: the buffers stay as they are, and what lies past `length` is overwritten
    before it is read.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self.length = 0

    @property
    def tokens(self) -> NDArray[np.int64]:
        """The cached tokens, [length]; a view."""
        return self._tokens[: self.length]

    def common_prefix(self, tokens: NDArray[np.int64]) -> int:
        """How many leading tokens are cached already."""
        overlap = min(self.length, len(tokens))
        differing = np.flatnonzero(self._tokens[:overlap] != tokens[:overlap])
        return int(differing[0]) if len(differing) else overlap

    def truncate(self, length: int) -> None:
        """Forgets every position from `length` on."""
        self.length = min(self.length, length)

    def append(self, tokens: NDArray[np.int64]) -> None:
        """Notes tokens whose keys and values have just been written."""
        end = self.length + len(tokens)
        self._tokens[self.length : end] = tokens
        self.length = end
