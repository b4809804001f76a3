"""A session with its contexts, which are freed together when the model is unloaded or its provider fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine.call_costs import MEASURED_CALL_TOKENS, CallCosts
from cg2ls.engine.huge_pages import use_huge_pages
from cg2ls.engine.io_binding import (
    ANY_ROWS,
    EVEN_ROWS,
    CpuBinding,
    DeviceBinding,
    IOBinding,
    PrefillBinding,
    RowPadding,
)
from cg2ls.engine.kv_cache import KVBuffers
from cg2ls.engine.kv_cache_pool import KVCachePool, KVContext
from cg2ls.engine.onnx_session import OpenSession, first_line, open_session
from cg2ls.engine.prefill import open_prefill
from cg2ls.engine.providers import PROVIDERS
from cg2ls.engine.request import EngineError
from cg2ls.models.folder.description import PREFILL_GRAPH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cg2ls.engine.kv_cache_pool import KVContext
    from cg2ls.models.folder.description import ModelDescription

CALIBRATION_CONTEXT_TOKENS = 384
"""Cached tokens while calls are measured; after more of them, long calls cost relatively more."""

ROW_TEST_TOKENS = 24
"""Tokens that are read to test whether a single row gives the same bits as several rows."""

ROW_TEST_SINGLE_TOKENS = 4
"""Number of these tokens that are read one by one."""


@dataclass(frozen=True)
class ModelRunner:
    """A session with its contexts.

    Attributes:
        model: description of the model.
        opened: the session and its provider.
        prefill: the session that reads prompts; None where `opened` reads them too.
        contexts: pool of contexts.
        costs: costs of the model's calls.
    """

    model: ModelDescription
    opened: OpenSession
    prefill: OpenSession | None
    contexts: KVCachePool
    costs: CallCosts

    @classmethod
    def open(
        cls,
        folder: Path,
        model: ModelDescription,
        *,
        provider: str,
        threads: int,
        contexts: int = 1,
        cuda_graph: bool = False,
        prefill_graph: bool = False,
    ) -> ModelRunner:
        """Open a verified model folder.

        Args:
            folder: the model folder.
            model: description of the model.
            provider: `auto` or a provider's name.
            threads: threads inside one operator.
            contexts: maximum number of contexts.
            cuda_graph: see `EngineOptions`.
            prefill_graph: whether to open the folder's prefill graph too; `KVContext.prefill` needs it.

        Raises:
            EngineError: the model cannot be opened, or the memory is not sufficient for a context.
        """
        opened = open_session(folder, model, provider=provider, threads=threads, cuda_graph=cuda_graph)
        if PROVIDERS[opened.provider].memory == "cpu":
            use_huge_pages()
        padding = choose_row_padding(model, opened)
        prefill = open_prefill(model, folder, opened) if prefill_graph else None
        if prefill is not None:
            opened = replace(opened, reason=f"{opened.reason}; {PREFILL_GRAPH} reads prompts")
        made = KVCachePool(lambda: new_context(model, opened, padding=padding, prefill=prefill), contexts)
        return cls(model=model, opened=opened, prefill=prefill, contexts=made, costs=CallCosts())

    def calibrate(self, *, whole: bool) -> None:
        """Measure the cost of calls; this also triggers the one-time work of a session's first call.

        Args:
            whole: whether calls of more than one token are measured too.
        """
        context = self.contexts.newest
        read = min(CALIBRATION_CONTEXT_TOKENS, self.model.context_length // 2)
        tokens: np.ndarray[tuple[int], np.dtype[np.int64]] = np.zeros(read, dtype=np.int64)

        def run(count: int) -> float:
            context.cached.truncate(0)
            context.cached.append(tokens)  # attention over zeros takes as long as over real values
            began = perf_counter()
            context.run(np.zeros(count, dtype=np.int64), count)
            return perf_counter() - began

        self.costs.calibrate(run, MEASURED_CALL_TOKENS if whole else MEASURED_CALL_TOKENS[:1])
        context.cached.truncate(0)


def new_context(
    model: ModelDescription, opened: OpenSession, *, padding: RowPadding, prefill: OpenSession | None = None
) -> KVContext:
    """Make an empty context.

    Args:
        model: description of the model.
        opened: session of the model.
        padding: padding of the context's calls.
        prefill: session of the prefill graph; None for none.

    Raises:
        EngineError: the memory is not sufficient.
    """
    memory = PROVIDERS[opened.provider].memory
    try:
        buffers = KVBuffers(
            opened.ort,
            model.architecture,
            length=model.context_length,
            kv_dtype=model.kv_dtype,
            device=memory,
        )
        return KVContext(
            _new_binding(model, opened, buffers, padding=padding),
            buffers,
            None if prefill is None else PrefillBinding(prefill, buffers),
        )
    except Exception as error:  # MemoryError, or an undocumented class of ONNX Runtime
        raise EngineError(
            f"There is no memory for {model.name}'s context of {model.context_length} tokens"
            f" ({first_line(error)}) Use a smaller model."
        ) from None


def choose_row_padding(model: ModelDescription, opened: OpenSession) -> RowPadding:
    """Choose the padding with which a token's result does not depend on the other tokens of its call.

    A model whose rows depend on each other anyway needs none. An int8 model sums in integers after its last
    attention, and with an int8 cache also in attention. One test on a few tokens shows whether the kernels on this
    machine really do so.
    """
    if not model.independent_rows:
        return ANY_ROWS
    if model.precision != "int8":
        return EVEN_ROWS
    alone = ANY_ROWS if model.kv_dtype == "int8" else RowPadding(tokens=True, logits=False)
    tried = (ROW_TEST_TOKENS * np.arange(1, 1 + ROW_TEST_TOKENS)) % model.architecture.vocab_size
    differ = measure_divergence(
        new_context(model, opened, padding=alone), tried, ROW_TEST_SINGLE_TOKENS
    ).largest
    return EVEN_ROWS if differ else alone


def _new_binding(
    model: ModelDescription, opened: OpenSession, buffers: KVBuffers, *, padding: RowPadding
) -> IOBinding:
    vocab = model.architecture.vocab_size
    memory = PROVIDERS[opened.provider].memory
    if memory == "cpu":
        return CpuBinding(opened, buffers, vocab, padding=padding)
    return DeviceBinding(opened, buffers, vocab, padding=padding, memory=memory)


COMPARED_TOKENS = 16
"""Number of tokens whose logits are compared."""

COMPARED_CALL_SIZES = (1, 3)
"""Tokens per call that are compared with one call for all: one as in decoding, an odd number as in drafts."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Difference between the logits of the same tokens, read in one call and in several.

    Attributes:
        largest: largest difference of any logit.
        changed: number of tokens after which another token was the likeliest.
        compared: number of tokens compared.
    """

    largest: float
    changed: int
    compared: int

    def __str__(self) -> str:
        if not self.largest:
            return f"the same to the last bit whatever shares a call ({self.compared} tokens compared)"
        return (
            f"logits differ by up to {self.largest:.2g} with what shares a call;"
            f" {self.changed} of {self.compared} tokens change"
        )


def measure_divergence(
    context: KVContext, text: Sequence[int] | NDArray[np.int64], compared: int = COMPARED_TOKENS
) -> Divergence:
    """Read the end of a text in one call and in calls of `COMPARED_CALL_SIZES` tokens, and compare the logits.

    Args:
        context: context to use; it is emptied.
        text: token ids, more than `compared`.
        compared: number of tokens at the end of the text to compare.
    """
    tokens: NDArray[np.int64] = np.asarray(text, dtype=np.int64)

    def read(size: int) -> NDArray[np.float32]:
        context.cached.truncate(0)
        context.run(tokens[:-compared])
        calls = (tokens[place : place + size] for place in range(len(tokens) - compared, len(tokens), size))
        return np.concatenate([context.run(call, len(call)).copy() for call in calls])

    together = read(compared)
    others = [read(size) for size in COMPARED_CALL_SIZES]
    context.cached.truncate(0)
    return Divergence(
        largest=max(float(np.abs(together - other).max()) for other in others),
        changed=max(int((together.argmax(axis=1) != other.argmax(axis=1)).sum()) for other in others),
        compared=compared,
    )
