"""How tokens get into a call of the graph and logits out of it, by where the session's memory is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cg2ls.models.graph_io import INPUT_IDS, LOGITS, LOGITS_POSITIONS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cg2ls.engine.kv_cache import KvBuffers

MOST_ROWS = 26
"""Most positions of one call whose logits can be asked for: a token and a draft behind it."""

NO_GRAPH = "-1"
"""CUDA's graph id of a call that is neither recorded nor replayed."""


class IOBinding(Protocol):
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


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a call is given and asked for in even numbers, so that a token's result is the same whatever shares it.

    ONNX Runtime multiplies one row by another kernel than several, which adds up in another order, and rounding to
    eight bits makes that last bit large. It meets one row where a call has one token, where logits of one position
    are asked for, and where one is left over behind attention's blocks of queries or a product's tiles of rows.
    These blocks and tiles hold an even number of rows or end with the call, so in pairs no row is ever alone.
    Sums of integers are the same in any order: there, rows may be alone.

    Attributes:
        tokens: because of attention, and of the blocks' products.
        logits: because of what follows the last attention, which is computed for positions with logits only.
    """

    tokens: bool
    logits: bool


IN_PAIRS = Pairs(tokens=True, logits=True)
SINGLE = Pairs(tokens=False, logits=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a call computes.

    Attributes:
        count: tokens.
        first: the first of them whose logits are computed.
        rows: of how many tokens they are.
        skipped: how many of these were not asked for and come before those that were.
    """

    count: int
    first: int
    rows: int
    skipped: int = 0

    @classmethod
    def of(cls, count: int, rows: int, pairs: Pairs) -> Shape:
        """The shape that gives the last `rows` logits of `count` tokens.

        Args:
            count: tokens, at least one.
            rows: at most as many.
            pairs: what must be even. An odd call is filled up with any token, whose keys and values the next call
                overwrites. There is always room: the last position of a context is never read, since nothing is
                chosen behind it.
        """
        filled = count + count % 2 * (pairs.tokens or pairs.logits)
        paired = rows + rows % 2 * pairs.logits
        first = min(count - rows, filled - paired)
        return cls(filled, first, paired, count - rows - first)

    @property
    def is_decoding(self) -> bool:
        """Whether it gives logits from its first token on; there are few such shapes, unlike prompts' lengths."""
        return self.first == 0 and self.count <= MOST_ROWS


class CpuBinding:
    """Inputs and outputs bound to numpy's memory, which is updated in place.

    Decoding keeps a binding for each shape, so a token costs no allocation and no binding.

    Args:
        ort: the onnxruntime module.
        session: a session of a model folder's graph.
        buffers: keys and values in the processor's memory.
        vocab_size: columns of the logits.
        pairs: see `Shape.of`.
    """

    def __init__(self, ort: Any, session: Any, buffers: KvBuffers, vocab_size: int, *, pairs: Pairs) -> None:
        self._session = session
        self._pairs = pairs
        self._buffers = buffers
        self._ids: NDArray[np.int64] = np.zeros(buffers.length, dtype=np.int64)
        self._positions: NDArray[np.int64] = np.arange(buffers.length, dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._logits: NDArray[Any] = np.zeros((MOST_ROWS, vocab_size), dtype=logits_dtype(session))
        self._fixed = (
            (SEQLENS_K, ort.OrtValue.ortvalue_from_numpy(self._seqlens)),
            (TOTAL_SEQUENCE_LENGTH, ort.OrtValue.ortvalue_from_numpy(self._total)),
        )
        self._decoding: dict[Shape, Any] = {}
        self._other = self._bound()

    def run(self, tokens: NDArray[np.int64], rows: int, total: int) -> NDArray[Any]:
        """See `IOBinding`."""
        count = len(tokens)
        self._ids[:count] = tokens
        shape = Shape.of(count, rows, self._pairs)
        end = total + shape.count - count
        self._seqlens[0] = end - 1
        self._total[()] = end
        self._session.run_with_iobinding(self._binding(shape))
        return self._logits[shape.skipped : shape.skipped + rows]

    def _binding(self, shape: Shape) -> Any:
        if not shape.is_decoding:
            return self._shaped(self._other, shape)
        binding = self._decoding.get(shape)
        if binding is None:
            binding = self._decoding[shape] = self._shaped(self._bound(), shape)
        return binding

    def _shaped(self, binding: Any, shape: Shape) -> Any:
        positions, rows = self._positions[shape.first :], shape.rows
        logits, vocab = self._logits, self._logits.shape[1]
        binding.bind_input(INPUT_IDS, "cpu", 0, np.int64, [1, shape.count], self._ids.ctypes.data)
        binding.bind_input(LOGITS_POSITIONS, "cpu", 0, np.int64, [rows], positions.ctypes.data)
        binding.bind_output(LOGITS, "cpu", 0, logits.dtype, [1, rows, vocab], logits.ctypes.data)
        return binding

    def _bound(self) -> Any:
        binding = self._session.io_binding()
        for name, value in self._fixed:
            binding.bind_ortvalue_input(name, value)
        self._buffers.bind(binding)
        return binding


class DeviceBinding:
    """Inputs and outputs in a device's memory, at addresses that stay, as CUDA graphs need.

    Binding numpy's memory would not do here: ONNX Runtime copies it to the device when it is bound, not when
    the session runs.

    Args:
        ort: the onnxruntime module.
        session: a session of a model folder's graph.
        buffers: keys and values in the device's memory.
        vocab_size: columns of the logits.
        pairs: see `Shape.of`.
        memory: ONNX Runtime's name of that memory.
        graph_ids: the session's numbers for calls that are recorded once and replayed, as decoding then is; None
            for launching every call. A recorded call is told that the context is full, since the number it was
            recorded with stays; `seqlens_k` says how much of it counts.
    """

    def __init__(
        self,
        ort: Any,
        session: Any,
        buffers: KvBuffers,
        vocab_size: int,
        *,
        pairs: Pairs,
        memory: str,
        graph_ids: Iterator[int] | None,
    ) -> None:
        self._pairs = pairs
        self._ort = ort
        self._session = session
        self._buffers = buffers
        self._vocab = vocab_size
        self._memory = memory
        self._graph_ids = graph_ids
        self._dtype = logits_dtype(session)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._seqlens = self._on_device(np.zeros(1, dtype=np.int32))
        self._decoding: dict[Shape, _DeviceCall] = {}

    def run(self, tokens: NDArray[np.int64], rows: int, total: int) -> NDArray[Any]:
        """See `IOBinding`."""
        count = len(tokens)
        shape = Shape.of(count, rows, self._pairs)
        ids: NDArray[np.int64] = np.zeros((1, shape.count), dtype=np.int64)
        ids[0, :count] = tokens
        end = total + shape.count - count
        call = self._call(shape)
        call.ids.update_inplace(ids)
        self._seqlens.update_inplace(np.array([end - 1], dtype=np.int32))
        recorded = self._graph_ids is not None and shape.is_decoding
        self._total[()] = self._buffers.length if recorded else end
        self._session.run_with_iobinding(call.binding, call.options)
        return call.logits.numpy()[0, shape.skipped : shape.skipped + rows]  # type: ignore[no-any-return]

    def _call(self, shape: Shape) -> _DeviceCall:
        if not shape.is_decoding:
            return self._bound(shape)
        call = self._decoding.get(shape)
        if call is None:
            call = self._decoding[shape] = self._bound(shape)
        return call

    def _bound(self, shape: Shape) -> _DeviceCall:
        binding = self._session.io_binding()
        ids = self._on_device(np.zeros((1, shape.count), dtype=np.int64))
        positions = self._on_device(np.arange(shape.first, shape.first + shape.rows, dtype=np.int64))
        logits = self._ort.OrtValue.ortvalue_from_shape_and_type(
            [1, shape.rows, self._vocab], self._dtype, self._memory, 0
        )
        binding.bind_ortvalue_input(INPUT_IDS, ids)
        binding.bind_ortvalue_input(LOGITS_POSITIONS, positions)
        binding.bind_ortvalue_input(SEQLENS_K, self._seqlens)
        binding.bind_ortvalue_input(
            TOTAL_SEQUENCE_LENGTH, self._ort.OrtValue.ortvalue_from_numpy(self._total)
        )
        binding.bind_ortvalue_output(LOGITS, logits)
        self._buffers.bind(binding)
        options = self._ort.RunOptions()
        if self._graph_ids is not None:
            number = str(next(self._graph_ids)) if shape.is_decoding else NO_GRAPH
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
