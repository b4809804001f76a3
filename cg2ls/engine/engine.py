"""One open model as a library: prompts in, steps out, caches kept between requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cg2ls.engine.beam_search import BeamSearch
from cg2ls.engine.decoding import AnswerLimits, Deadline, DecodeLoop, RequestTimer
from cg2ls.engine.model_loader import load_model
from cg2ls.engine.model_manager import Answer, ModelManager
from cg2ls.engine.model_runner import Divergence, measure_divergence
from cg2ls.engine.parallel_sampling import ParallelSampling
from cg2ls.engine.providers import PROVIDERS
from cg2ls.engine.request import EngineOptions, Request, RequestError, RunError, Step, Timing, never
from cg2ls.engine.sampler import ByteIndex, TokenSampler, Vocabulary
from cg2ls.engine.scoring import Scorer
from cg2ls.engine.sequence import READ_AHEAD_CHUNK, PreparedRequest
from cg2ls.engine.speculative import DraftLengthPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cg2ls.engine.beam_search import BeamOptions, Hypothesis
    from cg2ls.engine.model_loader import MemoryPlan
    from cg2ls.engine.model_runner import ModelRunner
    from cg2ls.engine.scoring import Continuation
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer


class Engine:
    """One open model: token ids in, token ids out.

    Requests run one at a time: a second thread waits until the first one's iterator ends or is closed.
    After an error or a cancellation the engine accepts further requests, and the cache holds what was run.

    Attributes:
        model: description of the model folder.
        tokenizer: tokenizer of the model.
        memory: memory that the model may use.
        context_length: maximum tokens of a prompt and its answer together.
        drafts: whether drafts are used.
        last: timing of the last request.
        prefill_chunk: prompt tokens per call of the graph.
        threads: threads inside one operator.
    """

    def __init__(
        self,
        manager: ModelManager,
        tokenizer: CodeTokenizer,
        memory: MemoryPlan,
        *,
        drafts: bool | None = None,
    ) -> None:
        self.model = manager.model
        self.tokenizer = tokenizer
        self.memory = memory
        self.context_length = self.model.context_length
        self.drafts = self.model.independent_rows if drafts is None else drafts
        self.prefill_chunk = PROVIDERS[manager.provider].prefill_chunk
        self.threads = manager.threads
        self.last = Timing()
        self._manager = manager
        table = tokenizer.token_bytes
        self._vocabulary = Vocabulary(self.model.name, table, ByteIndex(table), tokenizer.special)
        self._policy = DraftLengthPolicy(manager.costs)
        self._reading: Any = None  # options of the last `read`; another thread ends it with them

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        provider: str = "auto",
        threads: int | None = None,
        verify: bool = True,
        options: EngineOptions | None = None,
        on_event: Callable[[str], None] | None = None,
    ) -> Engine:
        """Open a model folder.

        Args:
            folder: holds model.json, model.onnx, its weights and tokenizer.json.
            provider: `auto`, or a name in `providers.PROVIDERS`.
            threads: threads inside one operator; None for one per fast core (see `default_threads`).
            verify: whether to compare every file's SHA-256 with model.json (about 1 ms per 2 MB).
            options: contexts, memory, unloading and drafts.
            on_event: receives a sentence about an event for the user, such as a provider that failed and its
                replacement.

        Raises:
            ModelFolderError: a file is missing, changed, or points out of the folder.
            EngineError: ONNX Runtime is missing or cannot run the graph, or the memory is not sufficient.
            TokenizerError: the tokenizer cannot be read.
        """
        options = options or EngineOptions()
        manager, tokenizer, memory = load_model(
            folder, provider=provider, threads=threads, verify=verify, options=options, on_event=on_event
        )
        return cls(manager, tokenizer, memory, drafts=options.drafts)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; a running request ends at its next step."""
        self._manager.close()

    def unload(self) -> None:
        """Free the model's memory until the next request, after the running one if there is one."""
        self._manager.unload()

    @property
    def provider(self) -> str:
        """Name of the provider that runs the model, a key of `providers.PROVIDERS`."""
        return self._manager.provider

    @property
    def provider_reason(self) -> str:
        """Reason for this provider, as text for the user."""
        return self._manager.provider_reason

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory; the next request loads an unloaded model again."""
        return self._manager.runner is not None

    @property
    def cached_tokens(self) -> list[int]:
        """Tokens in the context that was used last: its prompt and its answer."""
        runner = self._manager.runner
        return [] if runner is None else [int(token) for token in runner.contexts.newest.cached.tokens]

    def complete(self, request: Request, stop: Callable[[], bool] = never) -> Iterator[Step]:
        """Generate an answer, one step at a time.

        The answer ends at a stop token (which is not yielded), at `max_tokens` or at the time limit. It also
        ends when prompt and answer fill the context, or when `stop` returns true. `stop` is called before
        every call of the graph and after every step. `last` is set when the iterator ends or is closed.

        Args:
            request: what to complete.
            stop: whether the request was cancelled; must be cheap and safe to call often.

        Raises:
            RequestError: the prompt does not fit, the logits are not finite, or no token has the forced bytes.
            EngineError: the engine is closed or already generating in this thread (raised when the iterator
                starts), or the model cannot be run.
        """
        return self._generate(PreparedRequest.of(request, self.model, self.prefill_chunk), stop)

    def read(self, request: Request, stop: Callable[[], bool] = never) -> int:
        """Read a request's prompt into the cache, where `complete` then finds it; return the number of tokens read.

        What the last request left in the cache stays there, as far as there are other contexts.

        Args:
            request: what will be completed.
            stop: whether to stop; called before every call of the graph.

        Raises:
            RequestError: as `complete`.
            EngineError: as `complete`.
        """
        chunk = READ_AHEAD_CHUNK if self.model.independent_rows else self.prefill_chunk
        prepared, is_over = PreparedRequest.of(request, self.model, chunk), self._or_closed(stop)
        with self._manager.exclusive() as runner:
            self._reading = options = runner.opened.ort.RunOptions()
            return prepared.new_sequence_ahead(runner).read_prompt(lambda _: not is_over(), options)

    def cut_reading(self) -> None:
        """End the running `read`, if there is one, inside its call of the graph; safe in any thread."""
        if self._reading is not None:
            self._reading.terminate = True

    def candidates(
        self,
        request: Request,
        count: int,
        stop: Callable[[], bool] = never,
        is_complete: Callable[[Sequence[Step]], bool] = lambda _: False,
    ) -> list[list[Step]]:
        """Generate several answers to one prompt, in one batch where the model runs on the CPU.

        The prompt is read once. Answer i is what `complete` gives with the seed `request.seed + i`, except for
        the last digits of the logits; at temperature 0 all answers are the same. Drafts are not used.

        Args:
            request: what to complete.
            count: number of answers, at least 1.
            stop: whether the request was cancelled; the answers so far are returned.
            is_complete: whether an answer needs no further step; called after each of its steps.

        Raises:
            RequestError: as `complete`, or the memory is not sufficient for this number of answers.
            EngineError: as `complete`.
        """
        if count < 1:
            raise RequestError(f"The number of candidates is {count}, but must be at least 1.")
        prepared = PreparedRequest.of(request, self.model, self.prefill_chunk)
        seeds = range(request.seed, request.seed + count)

        def sample(runner: ModelRunner, deadline: Deadline, timer: RequestTimer) -> list[list[Step]]:
            samplers = [TokenSampler(self._vocabulary, request, seed) for seed in seeds]
            sequence = prepared.new_sequence(runner)
            batch = ParallelSampling(
                runner, sequence, samplers, deadline=deadline, timer=timer, is_complete=is_complete
            )
            return batch.run(prepared.max_tokens, self._or_closed(stop))

        return self._answer(prepared, sample)

    def search(
        self, request: Request, options: BeamOptions, stop: Callable[[], bool] = never
    ) -> list[Hypothesis]:
        """Search for the likeliest answers by beam search; with one beam the answer is that of `complete`.

        The prior and the forced bytes count as in `complete`; temperature, seed and drafts do not.

        Args:
            request: what to complete.
            options: number of beams and how answers end.
            stop: whether the request was cancelled; the hypotheses so far are returned.

        Returns:
            The hypotheses, finished ones first, the likeliest first; none if it was cancelled at once.

        Raises:
            RequestError: as `complete`, or the memory is not sufficient for this number of beams.
            EngineError: as `complete`.
        """
        prepared = PreparedRequest.of(request, self.model, self.prefill_chunk)

        def search(runner: ModelRunner, deadline: Deadline, timer: RequestTimer) -> list[Hypothesis]:
            sequence = prepared.new_sequence(runner)
            beams = BeamSearch(
                runner, sequence, self._vocabulary, request, options, deadline=deadline, timer=timer
            )
            return beams.run(prepared.max_tokens, self._or_closed(stop))

        return self._answer(prepared, search)

    def score(
        self,
        prefix: Sequence[int],
        continuations: Sequence[Continuation],
        stop: Callable[[], bool] = never,
        *,
        beside: Request,
    ) -> list[list[float]] | None:
        """Score texts after a common prefix by plain continuation, without any prior.

        Args:
            prefix: token ids before the texts.
            continuations: the texts.
            stop: whether the request was cancelled.
            beside: a request whose cache stays; its time limit holds, from now on.

        Returns:
            The log-probability of each scored token, in nats; None if it was cancelled, the time does not suffice,
            or there is only one context.

        Raises:
            RequestError: prefix and texts do not fit the context, or the logits are not finite.
            EngineError: as `complete`.
        """
        longest = max((len(each.given) + len(each.scored) for each in continuations), default=0)
        read = replace(beside, prompt=prefix, stable=len(prefix), max_tokens=1)
        prepared = PreparedRequest.of(read, self.model, self.prefill_chunk)
        if len(prefix) + longest > self.context_length:
            raise RequestError(
                f"Prefix and continuation have {len(prefix) + longest} tokens, but {self.model.name} takes"
                f" {self.context_length} at most."
            )
        kept = PreparedRequest.of(beside, self.model, self.prefill_chunk)
        with self._manager.exclusive() as runner:
            deadline = Deadline(beside.time_limit_ms)

            def score(runner: ModelRunner) -> list[list[float]] | None:
                sequence = prepared.new_sequence_beside(runner, kept)
                if sequence is None:
                    return None
                scorer = Scorer(runner, sequence, deadline=deadline, stop=self._or_closed(stop))
                return scorer.run(continuations)

            return self._manager.attempt(runner, score)

    def _answer(
        self, prepared: PreparedRequest, attempt: Callable[[ModelRunner, Deadline, RequestTimer], Answer]
    ) -> Answer:
        """Return the answer of an attempt, and keep its timing."""
        with self._manager.exclusive() as runner:
            timer = RequestTimer(len(prepared.prompt))
            deadline = Deadline(prepared.request.time_limit_ms)
            try:
                return self._manager.attempt(runner, lambda on: attempt(on, deadline, timer))
            finally:
                self.last = timer.timing()

    def _generate(self, prepared: PreparedRequest, stop: Callable[[], bool]) -> Iterator[Step]:
        request = prepared.request
        with self._manager.exclusive() as runner:
            timer = RequestTimer(len(prepared.prompt))
            deadline = Deadline(request.time_limit_ms)
            sampler = TokenSampler(self._vocabulary, request)
            try:
                while True:
                    answer = DecodeLoop(
                        prepared.new_sequence(runner),
                        sampler,
                        prepared.new_drafter(self._policy, self._manager.draft) if self.drafts else None,
                        limits=AnswerLimits(
                            prepared.max_tokens, deadline, runner.costs, self._or_closed(stop)
                        ),
                        timer=timer,
                    )
                    try:
                        yield from answer.steps()
                        break
                    except RunError as error:
                        runner = self._manager.fall_back(error)
                if timer.ended == "length" and prepared.max_tokens < request.max_tokens:
                    timer.ended = "context full"
            finally:
                self.last = timer.timing()

    def measure_divergence(self, text: Sequence[int]) -> Divergence:
        """Measure how much logits depend on the other tokens of a call; zero with `independent_rows`.

        Args:
            text: token ids, more than `model_runner.COMPARED_TOKENS` and fewer than the context length.

        Raises:
            EngineError: as `complete`.
        """
        with self._manager.exclusive() as runner:
            return measure_divergence(runner.contexts.newest, text)

    def estimate_call_cost(self, tokens: int) -> float:
        """Return the cost of a call on this machine, in one-token calls; it decides the length of drafts."""
        return self._manager.costs.ratio(tokens)

    def _or_closed(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._manager.closed or stop()
