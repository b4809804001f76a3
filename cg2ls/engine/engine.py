"""One open model: prompts in, steps out, with what was read kept between requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.engine.decoding import Deadline, DecodeLoop, RequestTimer
from cg2ls.engine.model_loader import load_model_manager
from cg2ls.engine.model_manager import ModelManager
from cg2ls.engine.model_runner import Divergence, measure_divergence
from cg2ls.engine.parallel_sampling import ParallelSampling
from cg2ls.engine.providers import PROVIDERS
from cg2ls.engine.request import EngineOptions, Request, RequestError, RunError, Step, Timing, never
from cg2ls.engine.sampler import ByteIndex, TokenSampler, Vocabulary
from cg2ls.engine.sequence import PreparedRequest
from cg2ls.engine.speculative import DraftLengthPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cg2ls.engine.model_loader import MemoryPlan
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer


class Engine:
    """One open model. Tokens in, tokens out; it knows no editor.

    Requests run one at a time: a second thread waits until the first one's iterator ends or is closed.
    After an error or a cancellation the engine serves on, and the cache holds what was really run.

    Attributes:
        model: the model folder's description.
        tokenizer: its tokenizer.
        memory: what the model may take.
        context_length: most tokens of a prompt and its answer together.
        drafts: whether drafts are used.
        last: what the last request cost.
        prefill_chunk: prompt tokens per call of the graph.
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
        self.last = Timing()
        self._manager = manager
        table = tokenizer.token_bytes
        self._vocabulary = Vocabulary(self.model.name, table, ByteIndex(table), tokenizer.special)
        self._policy = DraftLengthPolicy(manager.costs)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        provider: str = "auto",
        threads: int | None = None,
        verify: bool = True,
        options: EngineOptions | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Engine:
        """Opens a model folder.

        Args:
            folder: of model.json, model.onnx, its weights and tokenizer.json.
            provider: `auto`, or a name in `providers.PROVIDERS`.
            threads: threads inside one operator; None for one per fast core (see `default_threads`).
            verify: whether to compare every file's SHA-256 with model.json (about 1 ms per 2 MB).
            options: how to keep it open.
            tell: gets a sentence when something happens that a person may want to know, such as a provider
                that failed and what took its place.

        Raises:
            ModelFolderError: a file is missing, changed, or points out of the folder.
            EngineError: ONNX Runtime is missing or cannot run the graph, or memory does not suffice.
            TokenizerError: the tokenizer cannot be read.
        """
        options = options or EngineOptions()
        manager, tokenizer, memory = load_model_manager(
            folder, provider=provider, threads=threads, verify=verify, options=options, tell=tell
        )
        return cls(manager, tokenizer, memory, drafts=options.drafts)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model; a request that is running ends at its next step."""
        self._manager.close()

    def unload(self) -> None:
        """Frees the model's memory until the next request, after the running one if there is one."""
        self._manager.unload()

    @property
    def provider(self) -> str:
        """Where the model runs, a name in `providers.PROVIDERS`."""
        return self._manager.provider

    @property
    def provider_reason(self) -> str:
        """Why there, in words for a person."""
        return self._manager.provider_reason

    @property
    def threads(self) -> int:
        """Threads inside one operator."""
        return self._manager.threads

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory; an unloaded one comes back with the next request."""
        return self._manager.runtime is not None

    @property
    def cached_tokens(self) -> list[int]:
        """Tokens whose keys and values the newest context holds: the prompt and answer that ran last."""
        runtime = self._manager.runtime
        return [] if runtime is None else [int(token) for token in runtime.contexts.newest.cached.tokens]

    def complete(self, request: Request, stop: Callable[[], bool] = never) -> Iterator[Step]:
        """Generates an answer, one step at a time.

        It ends at a stop token (which is not yielded), at `max_tokens`, when prompt and answer fill the
        context, when its time is over, or when `stop` returns true; `stop` is asked before every call of the
        graph and after every step. `last` is set when the iterator ends or is closed.

        Args:
            request: what to complete.
            stop: whether the request was cancelled; cheap and safe to call often.

        Raises:
            RequestError: the prompt does not fit, or the model has no finite numbers or no token for it.
            EngineError: the engine is closed or already generating in this thread (raised when the iterator
                starts), or the model cannot be run.
        """
        return self._generate(PreparedRequest.of(request, self.model, self.prefill_chunk), stop)

    def candidates(
        self,
        request: Request,
        count: int,
        stop: Callable[[], bool] = never,
        is_complete: Callable[[Sequence[Step]], bool] = lambda _: False,
    ) -> list[list[Step]]:
        """Generates several answers to one prompt, side by side in one batch where the processor runs it.

        The prompt is read once. Each answer is what `complete` gives with the seed `request.seed + i`, but for
        the last digits of the logits; at temperature 0 all are the same. Drafts do not apply.

        Args:
            request: what to complete.
            count: how many answers, at least 1.
            stop: whether the request was cancelled; the answers so far are returned.
            is_complete: whether an answer needs no further step, asked after each of its steps.

        Raises:
            RequestError: as `complete`, or there is no memory for so many.
            EngineError: as `complete`.
        """
        if count < 1:
            raise RequestError(f"The number of candidates is {count}, but must be at least 1.")
        prepared = PreparedRequest.of(request, self.model, self.prefill_chunk)
        with self._manager.alone() as runtime:
            clock = RequestTimer(len(prepared.prompt))
            deadline = Deadline(request.total_ms)
            try:
                while True:
                    seeds = range(request.seed, request.seed + count)
                    samplers = [TokenSampler(self._vocabulary, request, seed) for seed in seeds]
                    sequence = prepared.sequence(runtime)
                    batch = ParallelSampling(
                        runtime, sequence, samplers, deadline=deadline, clock=clock, is_complete=is_complete
                    )
                    try:
                        return batch.answers(prepared.most, self._or_closed(stop))
                    except RunError as error:
                        runtime = self._manager.fall_back(error)
            finally:
                self.last = clock.timing()

    def _generate(self, prepared: PreparedRequest, stop: Callable[[], bool]) -> Iterator[Step]:
        request = prepared.request
        with self._manager.alone() as runtime:
            clock = RequestTimer(len(prepared.prompt))
            deadline = Deadline(request.total_ms)
            sampler = TokenSampler(self._vocabulary, request)
            try:
                while True:
                    answer = DecodeLoop(
                        prepared.sequence(runtime),
                        sampler,
                        prepared.drafter(self._policy, self._manager.draft) if self.drafts else None,
                        deadline=deadline,
                        costs=runtime.costs,
                        clock=clock,
                        most=prepared.most,
                        stop=self._or_closed(stop),
                    )
                    try:
                        yield from answer.steps()
                        break
                    except RunError as error:
                        runtime = self._manager.fall_back(error)
                if clock.ended == "length" and prepared.most < request.max_tokens:
                    clock.ended = "context full"
            finally:
                self.last = clock.timing()

    def divergence(self, text: Sequence[int]) -> Divergence:
        """How much logits depend on what shares a call; nothing of a model with `independent_rows`.

        Args:
            text: some token ids, more than `divergence.COMPARED` and fewer than the context length.

        Raises:
            EngineError: as `complete`.
        """
        with self._manager.alone() as runtime:
            return measure_divergence(runtime.contexts.newest, text)

    def call_cost(self, tokens: int) -> float:
        """What a call of so many tokens costs here, in calls of one; what drafts are weighed by."""
        return self._manager.costs.ratio(tokens)

    def _or_closed(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._manager.closed or stop()
