"""How tokens get into a call of the graph and logits out of it, by where the session's memory is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.engine.cache import KvBuffers

MOST_ROWS = 25
"""Most positions of one call whose logits can be asked for: a token and a draft behind it."""

PAIR = 2
"""Fewest tokens of a call where results must not depend on what shares it. ONNX Runtime computes the attention of
one single token in another order of sums, and rounding to eight bits then makes a difference of a last bit large."""

NO_GRAPH = "-1"
"""CUDA's graph id of a call that is neither recorded nor replayed."""


class Calls(Protocol):
    """Calls of one context."""

    def run(self, tokens: NDArray[np.int64], rows: int, total: int) -> NDArray[Any]:
        """Runs tokens.

        Args:
            tokens: int64 [count].
            rows: of how many of the last ones the logits are wanted.
            total: tokens cached, and these.

        Returns:
            Logits [rows, vocab] in the graph's type; overwritten by the next call.
        """


def logits_dtype(session: Any) -> type[np.generic]:
    """Element type of the graph's logits."""
    return np.float16 if session.get_outputs()[0].type == "tensor(float16)" else np.float32


def filled_up(count: int, least: int, total: int, capacity: int) -> int:
    """Tokens of a call of `count` once it is filled up to `least`, as far as the context has room."""
    return max(count, min(least, count + capacity - total))


def is_decoding(count: int, first: int) -> bool:
    """Whether a call asks for logits from its first token on; there are few such shapes, unlike prompts' lengths."""
    return first == 0 and count <= MOST_ROWS


class HostCalls:
    """Inputs and outputs bound to numpy's memory, which is updated in place.

    Decoding keeps a binding for each shape, so a token costs no allocation and no binding.

    Args:
        ort: the onnxruntime module.
        session: a session of a model folder's graph.
        buffers: keys and values in the processor's memory.
        vocab_size: columns of the logits.
        least: fewest tokens of a call, 1 or `PAIR`; a shorter one is filled up with any token, whose keys and
            values the next call overwrites.
    """

    def __init__(self, ort: Any, session: Any, buffers: KvBuffers, vocab_size: int, *, least: int) -> None:
        self._session = session
        self._least = least
        self._buffers = buffers
        self._ids: NDArray[np.int64] = np.zeros(buffers.length, dtype=np.int64)
        self._positions: NDArray[np.int64] = np.arange(buffers.length, dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._logits: NDArray[Any] = np.zeros((MOST_ROWS, vocab_size), dtype=logits_dtype(session))
        self._fixed = (
            ("seqlens_k", ort.OrtValue.ortvalue_from_numpy(self._seqlens)),
            ("total_sequence_length", ort.OrtValue.ortvalue_from_numpy(self._total)),
        )
        self._decoding: dict[tuple[int, int], Any] = {}
        self._other = self._bound()

    def run(self, tokens: NDArray[np.int64], rows: int, total: int) -> NDArray[Any]:
        """See `Calls`."""
        count = len(tokens)
        self._ids[:count] = tokens
        filled = filled_up(count, self._least, total, self._buffers.length)
        end = total + filled - count
        self._seqlens[0] = end - 1
        self._total[()] = end
        self._session.run_with_iobinding(self._binding(filled, count - rows, rows))
        return self._logits[:rows]

    def _binding(self, count: int, first: int, rows: int) -> Any:
        if not is_decoding(count, first):
            return self._shaped(self._other, count, first, rows)
        binding = self._decoding.get((count, rows))
        if binding is None:
            binding = self._decoding[count, rows] = self._shaped(self._bound(), count, first, rows)
        return binding

    def _shaped(self, binding: Any, count: int, first: int, rows: int) -> Any:
        positions = self._positions[first:]
        logits, vocab = self._logits, self._logits.shape[1]
        binding.bind_input("input_ids", "cpu", 0, np.int64, [1, count], self._ids.ctypes.data)
        binding.bind_input("logits_positions", "cpu", 0, np.int64, [rows], positions.ctypes.data)
        binding.bind_output("logits", "cpu", 0, logits.dtype, [1, rows, vocab], logits.ctypes.data)
        return binding

    def _bound(self) -> Any:
        binding = self._session.io_binding()
        for name, value in self._fixed:
            binding.bind_ortvalue_input(name, value)
        self._buffers.bind(binding)
        return binding


class DeviceCalls:
    """Inputs and outputs in a device's memory, at addresses that stay, as CUDA graphs need.

    Binding numpy's memory would not do here: ONNX Runtime copies it to the device when it is bound, not when
    the session runs.

    Args:
        ort: the onnxruntime module.
        session: a session of a model folder's graph.
        buffers: keys and values in the device's memory.
        vocab_size: columns of the logits.
        least: see `HostCalls`.
        memory: ONNX Runtime's name of that memory.
        graphs: whether decoding is recorded once and replayed. A recorded call is told that the context
            is full, since the number it was recorded with stays; `seqlens_k` says how much of it counts.
    """

    def __init__(
        self,
        ort: Any,
        session: Any,
        buffers: KvBuffers,
        vocab_size: int,
        *,
        least: int,
        memory: str,
        graphs: bool,
    ) -> None:
        self._least = least
        self._ort = ort
        self._session = session
        self._buffers = buffers
        self._vocab = vocab_size
        self._memory = memory
        self._graphs = graphs
        self._dtype = logits_dtype(session)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._seqlens = self._on_device(np.zeros(1, dtype=np.int32))
        self._decoding: dict[tuple[int, int], _DeviceCall] = {}

    def run(self, tokens: NDArray[np.int64], rows: int, total: int) -> NDArray[Any]:
        """See `Calls`."""
        count = len(tokens)
        filled = filled_up(count, self._least, total, self._buffers.length)
        ids: NDArray[np.int64] = np.zeros((1, filled), dtype=np.int64)
        ids[0, :count] = tokens
        end = total + filled - count
        call = self._call(filled, count - rows, rows)
        call.ids.update_inplace(ids)
        self._seqlens.update_inplace(np.array([end - 1], dtype=np.int32))
        recorded = self._graphs and is_decoding(filled, count - rows)
        self._total[()] = self._buffers.length if recorded else end
        self._session.run_with_iobinding(call.binding, call.options)
        return call.logits.numpy()[0]  # type: ignore[no-any-return]

    def _call(self, count: int, first: int, rows: int) -> _DeviceCall:
        if not is_decoding(count, first):
            return self._bound(count, first, rows)
        call = self._decoding.get((count, rows))
        if call is None:
            call = self._decoding[count, rows] = self._bound(count, first, rows)
        return call

    def _bound(self, count: int, first: int, rows: int) -> _DeviceCall:
        binding = self._session.io_binding()
        ids = self._on_device(np.zeros((1, count), dtype=np.int64))
        positions = self._on_device(np.arange(first, first + rows, dtype=np.int64))
        logits = self._ort.OrtValue.ortvalue_from_shape_and_type(
            [1, rows, self._vocab], self._dtype, self._memory, 0
        )
        binding.bind_ortvalue_input("input_ids", ids)
        binding.bind_ortvalue_input("logits_positions", positions)
        binding.bind_ortvalue_input("seqlens_k", self._seqlens)
        binding.bind_ortvalue_input(
            "total_sequence_length", self._ort.OrtValue.ortvalue_from_numpy(self._total)
        )
        binding.bind_ortvalue_output("logits", logits)
        self._buffers.bind(binding)
        options = self._ort.RunOptions()
        if self._graphs:
            number = str(1 + len(self._decoding)) if is_decoding(count, first) else NO_GRAPH
            options.add_run_config_entry("gpu_graph_id", number)
        return _DeviceCall(binding, ids, logits, options)

    def _on_device(self, array: NDArray[Any]) -> Any:
        return self._ort.OrtValue.ortvalue_from_numpy(array, self._memory, 0)


class _DeviceCall:
    """One shape of call: its binding and the values that change."""

    def __init__(self, binding: Any, ids: Any, logits: Any, options: Any) -> None:
        self.binding = binding
        self.ids = ids
        self.logits = logits
        self.options = options
