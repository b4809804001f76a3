"""Caches of several answers to one prompt, and one call of the graph for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.io_binding import logits_dtype
from cg2ls.engine.kv_cache import KVBuffers
from cg2ls.engine.onnx_session import first_line
from cg2ls.engine.request import RequestError, RunError
from cg2ls.models.graph_io import INPUT_IDS, LOGITS, LOGITS_POSITIONS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.sequence import TokenSequence


class BatchedAnswers:
    """One cache per answer, and one call of the graph for all of them.

    Each call reads one token per answer, since GroupQueryAttention takes several rows only one token at a time. So
    the logits may differ from those of `complete` in the last digits (see `io_binding.RowPadding`).

    Args:
        runner: the open model, on the CPU.
        sequence: holds the prompt, which was read.
        count: number of answers.
        max_tokens: maximum length of an answer.
    """

    def __init__(self, runner: ModelRunner, sequence: TokenSequence, count: int, max_tokens: int) -> None:
        model, opened = runner.model, runner.opened
        self._session = opened.session
        self._prompt_tokens = self._length = sequence.context.cached.length
        try:
            buffers = self._buffers = KVBuffers(
                opened.ort,
                model.architecture,
                length=self._length + max_tokens,
                kv_dtype=model.kv_dtype,
                device="cpu",
                batch=count,
            )
            buffers.copy_from(sequence.context.buffers, self._length)
            vocab = model.architecture.vocab_size
            self._logits: NDArray[Any] = np.zeros((count, 1, vocab), dtype=logits_dtype(opened.session))
        except MemoryError as error:
            raise RequestError(
                f"There is no memory for {count} answers ({first_line(error)}) Ask for fewer."
            ) from None
        self._ids: NDArray[np.int64] = np.zeros((count, 1), dtype=np.int64)
        self._seqlens: NDArray[np.int32] = np.zeros(count, dtype=np.int32)
        self._total: NDArray[np.int32] = np.zeros((), dtype=np.int32)
        self._zero: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._binding = opened.session.io_binding()
        values = {
            INPUT_IDS: self._ids,
            SEQLENS_K: self._seqlens,
            TOTAL_SEQUENCE_LENGTH: self._total,
            LOGITS_POSITIONS: self._zero,
        }
        for name, array in values.items():
            self._binding.bind_ortvalue_input(name, opened.ort.OrtValue.ortvalue_from_numpy(array))
        self._binding.bind_ortvalue_output(LOGITS, opened.ort.OrtValue.ortvalue_from_numpy(self._logits))
        buffers.bind(self._binding)

    def run(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Run one more token of each answer and return the logits, float32 [count, vocab].

        Raises:
            RunError: ONNX Runtime failed.
        """
        self._ids[:, 0] = tokens
        self._seqlens[:] = self._length
        self._length += 1
        self._total[()] = self._length
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # ONNX Runtime raises undocumented classes of its own
            raise RunError(f"The model could not be run: {first_line(error)}") from None
        return self._logits[:, 0].astype(np.float32, copy=False)

    def reorder(self, parents: Sequence[int]) -> None:
        """Continue other answers: row i becomes what row `parents[i]` is.

        Only the positions after the prompt are copied, and only for rows that change.

        Args:
            parents: a row number for each row.
        """
        self._buffers.copy_rows(parents, self._prompt_tokens, self._length)
