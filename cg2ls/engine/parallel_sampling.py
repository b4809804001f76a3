"""Several answers to one prompt in one batch: their caches, and sampling them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.io_binding import logits_dtype
from cg2ls.engine.kv_cache import KVBuffers
from cg2ls.engine.onnx_session import first_line
from cg2ls.engine.providers import PROVIDERS
from cg2ls.engine.request import RequestError, RunError
from cg2ls.models.graph_io import INPUT_IDS, LOGITS, LOGITS_POSITIONS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.decoding import Deadline, RequestTimer
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.request import Step
    from cg2ls.engine.sampler import TokenSampler
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


class ParallelSampling:
    """Several answers that share a prompt.

    The prompt is read once. Its keys and values are copied for each answer, and one call of the graph then gives
    the next logits of every answer. Where the cache is in a device's memory, the answers are decoded one by one.

    Args:
        runner: the open model.
        sequence: holds the prompt.
        samplers: one per answer.
        deadline: time limit of all answers.
        timer: records the times.
        is_complete: whether an answer needs no further step.
    """

    def __init__(
        self,
        runner: ModelRunner,
        sequence: TokenSequence,
        samplers: Sequence[TokenSampler],
        *,
        deadline: Deadline,
        timer: RequestTimer,
        is_complete: Callable[[Sequence[Step]], bool],
    ) -> None:
        self._runner = runner
        self._sequence = sequence
        self._samplers = samplers
        self._deadline = deadline
        self._timer = timer
        self._is_complete = is_complete
        self._answers: list[list[Step]] = [[] for _ in samplers]
        self._unfinished = list(range(len(samplers)))

    def run(self, max_tokens: int, stop: Callable[[], bool]) -> list[list[Step]]:
        """Return the steps of each answer.

        Args:
            max_tokens: maximum length of an answer.
            stop: whether the request was cancelled; the answers so far are returned.

        Raises:
            RequestError: the memory is not sufficient for this number of answers.
            EngineError: the model cannot be run.
        """
        read = self._sequence.read((), (), lambda _: not stop())
        if read is None:
            self._timer.ended = "cancelled"
            return self._answers
        self._timer.note_prefill(self._sequence)
        logits = np.repeat(read, len(self._samplers), axis=0)
        if self._is_batched:
            self._decode_batch(logits, max_tokens, stop)
        else:
            self._decode_sequentially(logits[0].copy(), max_tokens, stop)
        return self._answers

    @property
    def _is_batched(self) -> bool:
        return PROVIDERS[self._runner.opened.provider].memory == "cpu" and len(self._samplers) > 1

    def _decode_batch(self, logits: NDArray[np.float32], max_tokens: int, stop: Callable[[], bool]) -> None:
        rows = BatchedAnswers(self._runner, self._sequence, len(self._samplers), max_tokens)
        for _ in range(max_tokens):
            for index in list(self._unfinished):
                self._choose(index, logits[index])
            if not self._unfinished or not self._should_continue(stop):
                break
            logits = rows.run([answer[-1].token if answer else 0 for answer in self._answers])

    def _decode_sequentially(
        self, first: NDArray[np.float32], max_tokens: int, stop: Callable[[], bool]
    ) -> None:
        for index in range(len(self._samplers)):
            logits = first
            while True:
                self._choose(index, logits)
                if index not in self._unfinished or len(self._answers[index]) == max_tokens:
                    break
                if not self._should_continue(stop):
                    return
                logits = self._sequence.extend([self._answers[index][-1].token])[0]
            self._sequence.truncate_answer(0)

    def _choose(self, index: int, logits: NDArray[np.float32]) -> None:
        step = self._samplers[index].choose(logits)
        if step is None:
            self._unfinished.remove(index)
            return
        self._timer.note_token()
        answer = self._answers[index]
        answer.append(step)
        if self._is_complete(answer):
            self._unfinished.remove(index)
        self._timer.resume()

    def _should_continue(self, stop: Callable[[], bool]) -> bool:
        if stop():
            self._timer.ended = "cancelled"
            return False
        if not self._deadline.allows(self._runner.costs.seconds(len(self._samplers))):
            self._timer.ended = "time"
            return False
        return True
