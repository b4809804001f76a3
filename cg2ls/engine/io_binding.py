"""Inputs and outputs of calls of the graph, bound to CPU memory or to a device's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cg2ls.models.graph_io import INPUT_IDS, LOGITS, LOGITS_POSITIONS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2ls.engine.kv_cache import KVBuffers
    from cg2ls.engine.onnx_session import OpenSession

MAX_LOGIT_ROWS = 26
"""Maximum logits of one call: those after the last token and after each token of a draft."""

NO_GRAPH = "-1"
"""CUDA graph id of a call that is neither recorded nor replayed."""


class IOBinding(Protocol):
    """Bound inputs and outputs of one context."""

    def run(self, tokens: NDArray[np.int64], rows: int, total: int, options: Any = None) -> NDArray[Any]:
        """Run tokens that follow the cached ones.

        Args:
            tokens: int64 [count].
            rows: number of logits, those after the last tokens.
            total: tokens after this call, the cached ones included.
            options: ONNX Runtime's options, with which another thread can end the call. They have no effect where
                calls are recorded, which take a few milliseconds.

        Returns:
            Logits [rows, vocab] in the graph's type; overwritten by the next call.
        """


def logits_dtype(session: Any) -> type[np.generic]:
    """Return the element type of the graph's logits."""
    return np.float16 if session.get_outputs()[0].type == "tensor(float16)" else np.float32


@dataclass(frozen=True, slots=True)
class RowPadding:
    """Padding of a call to even numbers of rows, so that a token's result does not depend on the other tokens.

    ONNX Runtime multiplies a single row with another kernel than several rows. That kernel sums in another order,
    and rounding to eight bits makes the difference of the last bit large. A single row occurs in three
    places: in a call with one token, in one with one logit position, and as the remainder of blocks. The
    blocks are those of attention's queries and the row tiles of a product. They have an even number of rows
    or end with the call, so with even numbers no row is ever alone. Integer sums are the same in any order,
    so a single row is allowed there.

    Attributes:
        tokens: whether the number of tokens is even, as attention and the products inside the blocks need.
        logits: whether the number of logits is even, as the steps after the last attention need.
    """

    tokens: bool
    logits: bool


EVEN_ROWS = RowPadding(tokens=True, logits=True)
ANY_ROWS = RowPadding(tokens=False, logits=False)


@dataclass(frozen=True, slots=True)
class CallShape:
    """Shape of a call.

    Attributes:
        count: number of tokens.
        first: index of the first token whose logits are computed.
        rows: number of logits.
        skipped: leading logits that were not requested.
    """

    count: int
    first: int
    rows: int
    skipped: int = 0

    @classmethod
    def of(cls, count: int, rows: int, padding: RowPadding) -> CallShape:
        """Return the shape that gives the last `rows` logits of `count` tokens.

        Args:
            count: number of tokens, at least one.
            rows: number of logits, at most `count`.
            padding: which numbers must be even. An odd call gets one more arbitrary token, whose keys and values the
                next call overwrites. There is always room for it: no token is chosen after the last position of a
                context, so that position is never read.
        """
        filled = count + count % 2 * (padding.tokens or padding.logits)
        paired = rows + rows % 2 * padding.logits
        first = min(count - rows, filled - paired)
        return cls(filled, first, paired, count - rows - first)

    @property
    def is_decoding(self) -> bool:
        """Whether it gives logits from its first token on; unlike prompt lengths, there are few such shapes."""
        return self.first == 0 and self.count <= MAX_LOGIT_ROWS


class CpuBinding:
    """Inputs and outputs bound to numpy's memory, which is updated in place.

    Decoding keeps one binding per shape, so a token needs no allocation and no new binding.

    Args:
        opened: an open session of a model folder's graph.
        buffers: keys and values in CPU memory.
        vocab_size: columns of the logits.
        padding: see `CallShape.of`.
    """

    def __init__(
        self, opened: OpenSession, buffers: KVBuffers, vocab_size: int, *, padding: RowPadding
    ) -> None:
        ort, session = opened.ort, opened.session
        self._session = session
        self._padding = padding
        self._buffers = buffers
        self._ids: NDArray[np.int64] = np.zeros(buffers.length, dtype=np.int64)
        self._positions: NDArray[np.int64] = np.arange(buffers.length, dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._logits: NDArray[Any] = np.zeros((MAX_LOGIT_ROWS, vocab_size), dtype=logits_dtype(session))
        self._fixed = (
            (SEQLENS_K, ort.OrtValue.ortvalue_from_numpy(self._seqlens)),
            (TOTAL_SEQUENCE_LENGTH, ort.OrtValue.ortvalue_from_numpy(self._total)),
        )
        self._decoding: dict[CallShape, Any] = {}
        self._other = self._bind()

    def run(self, tokens: NDArray[np.int64], rows: int, total: int, options: Any = None) -> NDArray[Any]:
        """Run tokens that follow the cached ones; see `IOBinding.run`."""
        count = len(tokens)
        self._ids[:count] = tokens
        shape = CallShape.of(count, rows, self._padding)
        end = total + shape.count - count
        self._seqlens[0] = end - 1
        self._total[()] = end
        self._session.run_with_iobinding(self._binding(shape), options)
        return self._logits[shape.skipped : shape.skipped + rows]

    def _binding(self, shape: CallShape) -> Any:
        if not shape.is_decoding:
            return self._bind_shape(self._other, shape)
        binding = self._decoding.get(shape)
        if binding is None:
            binding = self._decoding[shape] = self._bind_shape(self._bind(), shape)
        return binding

    def _bind_shape(self, binding: Any, shape: CallShape) -> Any:
        positions, rows = self._positions[shape.first :], shape.rows
        logits, vocab = self._logits, self._logits.shape[1]
        binding.bind_input(INPUT_IDS, "cpu", 0, np.int64, [1, shape.count], self._ids.ctypes.data)
        binding.bind_input(LOGITS_POSITIONS, "cpu", 0, np.int64, [rows], positions.ctypes.data)
        binding.bind_output(LOGITS, "cpu", 0, logits.dtype, [1, rows, vocab], logits.ctypes.data)
        return binding

    def _bind(self) -> Any:
        binding = self._session.io_binding()
        for name, value in self._fixed:
            binding.bind_ortvalue_input(name, value)
        self._buffers.bind(binding)
        return binding


class PrefillBinding:
    """Inputs of the prefill graph, bound to the same keys and values as `CpuBinding`; it has no logits.

    Args:
        opened: an open session of the prefill graph.
        buffers: keys and values in CPU memory.
    """

    def __init__(self, opened: OpenSession, buffers: KVBuffers) -> None:
        ort = opened.ort
        self._session = opened.session
        self._ids: NDArray[np.int64] = np.zeros(buffers.length, dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._binding = opened.session.io_binding()
        self._binding.bind_ortvalue_input(SEQLENS_K, ort.OrtValue.ortvalue_from_numpy(self._seqlens))
        self._binding.bind_ortvalue_input(
            TOTAL_SEQUENCE_LENGTH, ort.OrtValue.ortvalue_from_numpy(self._total)
        )
        buffers.bind(self._binding)

    def run(self, tokens: NDArray[np.int64], total: int, options: Any = None) -> None:
        """Run tokens that follow the cached ones.

        Args:
            tokens: int64 [count].
            total: tokens after this call, the cached ones included.
            options: see `IOBinding.run`.
        """
        count = len(tokens)
        shape = CallShape.of(count, 1, EVEN_ROWS)
        self._ids[:count] = tokens
        end = total + shape.count - count
        self._seqlens[0] = end - 1
        self._total[()] = end
        self._binding.bind_input(INPUT_IDS, "cpu", 0, np.int64, [1, shape.count], self._ids.ctypes.data)
        self._session.run_with_iobinding(self._binding, options)


class DeviceBinding:
    """Inputs and outputs in a device's memory, at fixed addresses, as CUDA graphs need.

    Bound numpy memory does not work here: ONNX Runtime copies it to the device when it is bound, not when the
    session runs.

    With `OpenSession.cuda_graph`, calls of decoding are recorded once and then replayed. A recorded call always gets
    the full context length as its total, since a recorded scalar never changes; `seqlens_k` gives the real length.

    Args:
        opened: an open session of a model folder's graph.
        buffers: keys and values in the device's memory.
        vocab_size: columns of the logits.
        padding: see `CallShape.of`.
        memory: ONNX Runtime's name of that memory.
    """

    def __init__(
        self,
        opened: OpenSession,
        buffers: KVBuffers,
        vocab_size: int,
        *,
        padding: RowPadding,
        memory: str,
    ) -> None:
        self._padding = padding
        self._ort = opened.ort
        self._session = opened.session
        self._buffers = buffers
        self._vocab = vocab_size
        self._memory = memory
        self._graph_ids = opened.graph_ids if opened.cuda_graph else None
        self._dtype = logits_dtype(opened.session)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._seqlens = self._on_device(np.zeros(1, dtype=np.int32))
        self._decoding: dict[CallShape, _DeviceCall] = {}

    def run(self, tokens: NDArray[np.int64], rows: int, total: int, options: Any = None) -> NDArray[Any]:
        """Run tokens that follow the cached ones; see `IOBinding.run`."""
        count = len(tokens)
        shape = CallShape.of(count, rows, self._padding)
        ids: NDArray[np.int64] = np.zeros((1, shape.count), dtype=np.int64)
        ids[0, :count] = tokens
        end = total + shape.count - count
        call = self._call(shape)
        call.ids.update_inplace(ids)
        self._seqlens.update_inplace(np.array([end - 1], dtype=np.int32))
        recorded = self._graph_ids is not None and shape.is_decoding
        self._total[()] = self._buffers.length if recorded else end
        is_recording = self._graph_ids is not None
        own = call.options if options is None or is_recording else options
        self._session.run_with_iobinding(call.binding, own)
        return call.logits.numpy()[0, shape.skipped : shape.skipped + rows]  # type: ignore[no-any-return]

    def _call(self, shape: CallShape) -> _DeviceCall:
        if not shape.is_decoding:
            return self._bind(shape)
        call = self._decoding.get(shape)
        if call is None:
            call = self._decoding[shape] = self._bind(shape)
        return call

    def _bind(self, shape: CallShape) -> _DeviceCall:
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
    """Binding of one call shape and the values that change between calls."""

    def __init__(self, binding: Any, ids: Any, logits: Any, options: Any) -> None:
        self.binding = binding
        self.ids = ids
        self.logits = logits
        self.options = options
