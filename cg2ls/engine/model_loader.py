"""Check a model folder, plan its memory and open it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cg2ls.engine.call_costs import CallCosts
from cg2ls.engine.kv_cache import count_context_bytes
from cg2ls.engine.model_manager import ModelManager
from cg2ls.engine.model_runner import ModelRunner
from cg2ls.engine.onnx_session import default_threads
from cg2ls.engine.request import EngineError
from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.models.folder.description import GRAPH, TOKENIZER, WEIGHTS, ModelDescription
from cg2ls.models.folder.draft_pair import find_draft
from cg2ls.models.folder.verify import check_integrity, check_structure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cg2ls.engine.request import EngineOptions
    from cg2ls.models.folder.description import ModelDescription


def load_model(
    folder: Path,
    *,
    provider: str,
    threads: int | None,
    verify: bool,
    options: EngineOptions,
    on_event: Callable[[str], None] | None,
) -> tuple[ModelManager, CodeTokenizer, MemoryPlan]:
    """Open a model folder; see `Engine.open`.

    A model that is loaded again later is checked again, since its files may have changed.
    """
    if threads is not None and threads < 1:
        raise EngineError(f"threads is {threads}, but must be at least 1.")
    model, tokenizer = _checked(folder, verify=verify)
    memory = plan_memory(model, contexts=options.contexts, limit_mb=options.memory_mb)
    costs = CallCosts()
    drafts = model.independent_rows if options.drafts is None else options.drafts
    measured: list[bool] = []

    def open_runner(where: str) -> ModelRunner:
        if measured:
            _checked(folder, verify=verify)
        opened = ModelRunner.open(
            folder,
            model,
            provider=where,
            threads=threads or default_threads(),
            contexts=memory.contexts,
            cuda_graph=options.cuda_graph,
            prefill_graph=options.prefill_graph,
        )
        runner = replace(opened, costs=costs)  # measurements outlive the session
        if not measured:
            runner.calibrate(whole=drafts)
            measured.append(True)
        return runner

    def open_draft() -> ModelRunner | None:
        if options.draft_model is not None:
            return _open_draft(options.draft_model, model, provider, threads, verify=verify)
        smaller = _find_paired_draft(folder, memory) if drafts else None
        if smaller is None:
            return None
        with suppress(Cg2Error):  # the model answers without it, too
            return _open_draft(smaller, model, provider, threads, verify=verify)
        return None

    manager = ModelManager(
        open_runner, open_draft, provider=provider, idle_s=options.idle_s, on_event=on_event
    )
    return manager, tokenizer, memory


def _find_paired_draft(folder: Path, memory: MemoryPlan) -> Path | None:
    """Return the folder of the model that drafts by a stored pair; None where it does not pay or does not fit."""
    smaller = find_draft(folder)
    if smaller is None or memory.limit is None:
        return smaller
    with suppress(Cg2Error):
        wanted = plan_memory(ModelDescription.read(smaller), contexts=1, limit_mb=None).max_bytes
        return smaller if memory.max_bytes + wanted <= memory.limit else None
    return None


def _checked(folder: Path, *, verify: bool) -> tuple[ModelDescription, CodeTokenizer]:
    model = ModelDescription.read(folder)
    check_structure(folder, model)
    if verify:
        check_integrity(folder, model)
    tokenizer = CodeTokenizer.load(folder / TOKENIZER, model.tokens)
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
    return model, tokenizer


def _open_draft(
    folder: Path, larger: ModelDescription, provider: str, threads: int | None, *, verify: bool
) -> ModelRunner:
    model, _ = _checked(folder, verify=verify)
    if model.files[TOKENIZER].sha256 != larger.files[TOKENIZER].sha256:
        raise EngineError(f"{folder} cannot draft for {larger.name}: it has another tokenizer.")
    runner = ModelRunner.open(folder, model, provider=provider, threads=threads or default_threads())
    runner.calibrate(whole=False)
    return runner


MEGABYTE = 1_000_000

MAX_WEIGHT_MEMORY_RATIO = 1.4
"""Upper bound of the weights' memory in ONNX Runtime by their file size; measured: 1.0 to 1.35."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Memory of a model by use, in bytes.

    Attributes:
        weights: upper bound of the weights in ONNX Runtime.
        context: keys and values of one full context.
        contexts: maximum number of contexts.
        limit: limit of the total; None for no limit.
    """

    weights: int
    context: int
    contexts: int
    limit: int | None

    @property
    def max_bytes(self) -> int:
        """Total when all contexts are full."""
        return self.weights + self.contexts * self.context

    def __str__(self) -> str:
        limit = "no limit" if self.limit is None else f"limit {self.limit / MEGABYTE:.0f} MB"
        return (
            f"{self.max_bytes / MEGABYTE:.0f} MB at most: weights {self.weights / MEGABYTE:.0f} MB,"
            f" {self.contexts} contexts of {self.context / MEGABYTE:.1f} MB; {limit}"
        )


def plan_memory(model: ModelDescription, *, contexts: int, limit_mb: float | None) -> MemoryPlan:
    """Plan the requested number of contexts, or as many as fit the limit.

    Raises:
        EngineError: the limit has no room for the weights and one context.
    """
    weights = int(
        MAX_WEIGHT_MEMORY_RATIO
        * sum(model.files[name].bytes for name in (GRAPH, WEIGHTS) if name in model.files)
    )
    context = count_context_bytes(model.architecture, model.context_length, model.kv_dtype)
    if limit_mb is None:
        return MemoryPlan(weights, context, contexts, None)
    limit = int(limit_mb * MEGABYTE)
    if weights + context > limit:
        raise EngineError(
            f"{model.name} needs {(weights + context) / MEGABYTE:.0f} MB, but the memory limit is"
            f" {limit_mb:.0f} MB; raise the limit or use a smaller model."
        )
    return MemoryPlan(weights, context, min(contexts, (limit - weights) // context), limit)
