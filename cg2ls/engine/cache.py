"""The key/value cache: one buffer for the whole context, and which tokens it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.modelfolder.description import Architecture


class KvBuffers:
    """Keys and values of every layer, [1, n_head, context_length, head_dim] each, on the session's device.

    Each buffer is bound as `past_key_values.{i}` and as `present.{i}` at once, so attention writes new
    positions in place and nothing is ever copied or grown.
    """

    def __init__(
        self, ort: Any, architecture: Architecture, *, context_length: int, kv_dtype: str, device: str
    ) -> None:
        shape = [1, architecture.n_head, context_length, architecture.head_dim]
        self._values = [
            (
                f"past_key_values.{layer}.{part}",
                f"present.{layer}.{part}",
                ort.OrtValue.ortvalue_from_shape_and_type(shape, np.dtype(kv_dtype), device, 0),
            )
            for layer in range(architecture.n_layer)
            for part in ("key", "value")
        ]

    def bind(self, binding: Any) -> None:
        """Binds every buffer as input and as output of an IO binding."""
        for past, present, value in self._values:
            binding.bind_ortvalue_input(past, value)
            binding.bind_ortvalue_output(present, value)


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
