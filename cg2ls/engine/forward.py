"""One call of the graph: tokens in, logits of the last one out, the cache kept in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.cache import CachedTokens, KvBuffers
from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Forward:
    """Runs the graph over tokens that follow what is cached.

    Inputs and outputs are bound once to arrays that are updated in place (ONNX Runtime reads numpy's memory
    on the CPU and copies it to other devices), so a decoded token costs no allocation and no binding.

    Args:
        ort: the onnxruntime module.
        session: a session of a model folder's graph.
        buffers: keys and values, bound to that session's inputs and outputs.
        capacity: positions in the buffers.
        vocab_size: columns of the logits.
    """

    def __init__(self, ort: Any, session: Any, buffers: KvBuffers, *, capacity: int, vocab_size: int) -> None:
        self.cached = CachedTokens(capacity)
        self._session = session
        self._ids: NDArray[np.int64] = np.zeros(capacity, dtype=np.int64)
        self._one: NDArray[np.int64] = np.zeros((1, 1), dtype=np.int64)
        self._last: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._zero: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        dtype = np.float16 if session.get_outputs()[0].type == "tensor(float16)" else np.float32
        self._logits = np.zeros((1, 1, vocab_size), dtype=dtype)
        self._decode = self._bound(ort, buffers, self._zero)
        self._decode.bind_ortvalue_input("input_ids", ort.OrtValue.ortvalue_from_numpy(self._one))
        self._prefill = self._bound(ort, buffers, self._last)

    def _bound(self, ort: Any, buffers: KvBuffers, positions: NDArray[np.int64]) -> Any:
        binding = self._session.io_binding()
        for name, array in (
            ("seqlens_k", self._seqlens),
            ("total_sequence_length", self._total),
            ("logits_positions", positions),
        ):
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        binding.bind_ortvalue_output("logits", ort.OrtValue.ortvalue_from_numpy(self._logits))
        buffers.bind(binding)
        return binding

    def prefill(self, tokens: NDArray[np.int64]) -> None:
        """Runs tokens that follow the cached ones, [S]; `logits` are then those after the last.

        Raises:
            EngineError: ONNX Runtime failed; the cache holds what it held before.
        """
        count = len(tokens)
        self._ids[:count] = tokens
        self._last[0] = count - 1
        self._prefill.bind_input("input_ids", "cpu", 0, np.int64, [1, count], self._ids.ctypes.data)
        self._run(self._prefill, self._ids[:count])

    def decode(self, token: int) -> None:
        """Runs one token that follows the cached ones; as `prefill`, without its overhead."""
        self._one[0, 0] = token
        self._run(self._decode, self._one[0])

    def _run(self, binding: Any, tokens: NDArray[np.int64]) -> None:
        total = self.cached.length + len(tokens)
        self._seqlens[0] = total - 1
        self._total[()] = total
        try:
            self._session.run_with_iobinding(binding)
        except Exception as wrong:  # the runtime raises its own, undocumented classes
            raise EngineError(f"The model could not be run: {first_line(wrong)}") from None
        self.cached.append(tokens)

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits after the last token, float32 [vocab]; overwritten by the next call."""
        row: NDArray[np.float32] = self._logits[0, 0].astype(np.float32, copy=False)
        return row


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the runtime's status prefix."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(" : ")[-1].rstrip(".") + "."
