"""The decode loop: prompts in, steps out, with the cache kept between requests."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.codegen2.tokenizer import CodeTokenizer
from cg2ls.engine.cache import KvBuffers
from cg2ls.engine.clock import Clock
from cg2ls.engine.forward import Forward, first_line
from cg2ls.engine.healing import ByteIndex, ForcedStart
from cg2ls.engine.request import EngineError, Request, Step, Timing, never
from cg2ls.engine.sampling import Sampler, log_probability
from cg2ls.engine.session import OpenSession, open_session
from cg2ls.engine.threads import default_threads
from cg2ls.modelfolder.description import TOKENIZER, ModelDescription
from cg2ls.modelfolder.verify import check_integrity, check_structure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PREFILL_CHUNK = 128
"""Prompt tokens per call of the graph. A chunk's attention skips what comes after it, so chunks beat one
long call (docs/engine.md has the measurement), and a cancelled request ends within one."""


class Engine:
    """One open model. Tokens in, tokens out; it knows no editor.

    Requests run one at a time: a second thread waits until the first one's iterator ends or is closed.
    After an error or a cancellation the engine serves on, and the cache holds what was really run.

    Attributes:
        model: the model folder's description.
        tokenizer: its tokenizer.
        context_length: most tokens of a prompt and its answer together.
        provider: where the model runs, `cpu` or `cuda`.
        provider_reason: why there, in words for a person.
        threads: threads inside one operator.
        last: what the last request cost.
        prefill_chunk: prompt tokens per call of the graph.
    """

    def __init__(
        self,
        model: ModelDescription,
        tokenizer: CodeTokenizer,
        opened: OpenSession,
        *,
        prefill_chunk: int = PREFILL_CHUNK,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.context_length = model.context_length
        self.provider = opened.provider
        self.provider_reason = opened.reason
        self.threads = opened.threads
        self.prefill_chunk = prefill_chunk
        self.last = Timing()
        self._forward: Forward | None = _forward(model, opened)
        self._token_bytes = tokenizer.token_bytes
        self._index = ByteIndex(self._token_bytes)
        self._lock = threading.Lock()
        self._owner: int | None = None

    @classmethod
    def open(
        cls, folder: Path, *, provider: str = "auto", threads: int | None = None, verify: bool = True
    ) -> Engine:
        """Opens a model folder.

        Args:
            folder: of model.json, model.onnx, its weights and tokenizer.json.
            provider: `auto`, `cpu` or `cuda`.
            threads: threads inside one operator; None for one per physical core (see `default_threads`).
            verify: whether to compare every file's SHA-256 with model.json (about 1 ms per 2 MB).

        Raises:
            ModelFolderError: a file is missing, changed, or points out of the folder.
            EngineError: ONNX Runtime is missing or cannot run the graph.
            TokenizerError: the tokenizer cannot be read.
        """
        if threads is not None and threads < 1:
            raise EngineError(f"threads is {threads}, but must be at least 1.")
        model = ModelDescription.read(folder)
        check_structure(folder, model)
        if verify:
            check_integrity(folder, model)
        tokenizer = CodeTokenizer.load(folder / TOKENIZER)
        if tokenizer.special.vocab_size != model.architecture.vocab_size:
            raise EngineError(
                f"{folder}: the tokenizer has {tokenizer.special.vocab_size} tokens, but the model"
                f" {model.architecture.vocab_size}; convert the model again with its own tokenizer."
            )
        if tokenizer.special != model.tokens:
            raise EngineError(
                f"{folder}: model.json and {TOKENIZER} disagree about the special tokens;"
                " convert the model again."
            )
        opened = open_session(folder, model, provider=provider, threads=threads or default_threads())
        return cls(model, tokenizer, opened)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model; a request that is running ends at its next step."""
        self._forward = None

    @property
    def cached_tokens(self) -> list[int]:
        """Tokens whose keys and values are held: the prompt and answer that ran last."""
        return [] if self._forward is None else [int(token) for token in self._forward.cached.tokens]

    def complete(self, request: Request, stop: Callable[[], bool] = never) -> Iterator[Step]:
        """Generates an answer, one step at a time.

        It ends at a stop token (which is not yielded), at `max_tokens`, when prompt and answer fill the
        context, or when `stop` returns true; `stop` is asked before every call of the graph. `last` is set
        when the iterator ends or is closed.

        Args:
            request: what to complete.
            stop: whether the request was cancelled; cheap and safe to call often.

        Raises:
            EngineError: the prompt does not fit, the engine is closed or already generating in this thread
                (raised when the iterator starts), or the model cannot be run.
        """
        prompt = np.asarray(request.prompt, dtype=np.int64)
        if len(prompt) >= self.context_length:
            raise EngineError(
                f"The prompt has {len(prompt)} tokens, but {self.model.name} takes"
                f" {self.context_length - 1} at most."
            )
        if prompt.min() < 0 or prompt.max() >= self.model.architecture.vocab_size:
            raise EngineError(f"The prompt has a token id outside of {self.model.name}'s vocabulary.")
        return self._generate(prompt, request, stop)

    def _generate(
        self, prompt: NDArray[np.int64], request: Request, stop: Callable[[], bool]
    ) -> Iterator[Step]:
        with self._alone() as forward:
            clock = Clock(len(prompt))
            try:
                if self._prefill(forward, prompt, stop, clock):
                    yield from self._decode(forward, request, stop, clock)
            finally:
                self.last = clock.timing()

    def _prefill(
        self, forward: Forward, prompt: NDArray[np.int64], stop: Callable[[], bool], clock: Clock
    ) -> bool:
        """Runs what is not cached of the prompt; False if it was stopped on the way.

        The last token always runs, since its logits are what the answer starts from.
        """
        reused = min(forward.cached.common_prefix(prompt), len(prompt) - 1)
        forward.cached.truncate(reused)
        clock.reused_tokens = reused
        for start in range(reused, len(prompt), self.prefill_chunk):
            if self._stopped(stop):
                return False
            forward.prefill(prompt[start : start + self.prefill_chunk])
        clock.prefill_ended()
        return True

    def _decode(
        self, forward: Forward, request: Request, stop: Callable[[], bool], clock: Clock
    ) -> Iterator[Step]:
        sampler = Sampler(request.temperature, request.top_p, request.seed)
        forced = ForcedStart(self._index, request.forced)
        most = min(request.max_tokens, self.context_length - clock.prompt_tokens)
        generated: list[int] = []
        while True:
            scores = forward.logits
            if request.prior is not None:
                scores = request.prior.mix(generated, scores)
            step = self._choose(scores, sampler, forced)
            if self.tokenizer.special.is_stop(step.token) and not request.past_end:
                return
            generated.append(step.token)
            clock.token_ready()
            yield step
            clock.resume()
            if clock.generated == most or self._stopped(stop):
                return
            began = perf_counter()
            forward.decode(step.token)
            clock.runtime(perf_counter() - began)

    def _choose(self, logits: NDArray[np.float32], sampler: Sampler, forced: ForcedStart) -> Step:
        allowed = forced.allowed()
        if allowed is not None and not len(allowed):
            raise EngineError(f"{self.model.name} has no token for the bytes the answer must begin with.")
        token = sampler.pick(logits, allowed)
        logprob = log_probability(logits, token)
        if not math.isfinite(logprob):
            raise EngineError(f"{self.model.name} computes no finite numbers; convert the model again.")
        data = self._token_bytes[token]
        forced.take(data)
        return Step(token, data, logprob)

    def _stopped(self, stop: Callable[[], bool]) -> bool:
        return self._forward is None or stop()

    @contextmanager
    def _alone(self) -> Iterator[Forward]:
        """The open model for one request at a time."""
        thread = threading.get_ident()
        if self._owner == thread:
            raise EngineError("The engine is generating in this thread; end or close that iterator first.")
        with self._lock:
            if self._forward is None:
                raise EngineError("The engine was closed; open it again.")
            self._owner = thread
            try:
                yield self._forward
            finally:
                self._owner = None


def _forward(model: ModelDescription, opened: OpenSession) -> Forward:
    try:
        buffers = KvBuffers(
            opened.ort,
            model.architecture,
            context_length=model.context_length,
            kv_dtype=model.kv_dtype,
            device=opened.provider,
        )
    except Exception as wrong:  # MemoryError, or one of the runtime's own, undocumented classes
        raise EngineError(
            f"There is no memory for {model.name}'s context of {model.context_length} tokens"
            f" ({first_line(wrong)}) Use a smaller model."
        ) from None
    return Forward(
        opened.ort,
        opened.session,
        buffers,
        capacity=model.context_length,
        vocab_size=model.architecture.vocab_size,
    )
