"""llama.cpp's C interface, through llama-cpp-python's bindings."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import llama_cpp
import numpy as np

from cg2_runtimes.llamacpp_convert import MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cg2ls.evaluation.runtimes.worker_protocol import Emit

FIRST_SEQUENCE = 0


class LlamaCppError(RuntimeError):
    """A failure of llama.cpp, which states the reason on stderr."""


class LlamaCppGenerator:
    """Greedy decoding with llama.cpp's own cache; the likeliest token is read from its logits.

    `Llama.generate` of the bindings would add a sampler chain and Python to each token, so a bare loop calls
    `llama_decode`.

    Args:
        folder: written by `llamacpp_convert.convert`.
        threads: threads of one generation, prompt and tokens alike.
    """

    outside_ms: float | None = None
    reported_ms: Sequence[float] | None = None

    def __init__(self, folder: Path, threads: int) -> None:
        self.version = str(llama_cpp.__version__)
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(folder / MODEL).encode(), llama_cpp.llama_model_default_params()
        )
        if not self._model:
            raise LlamaCppError(f"llama.cpp cannot load {folder / MODEL}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = llama_cpp.llama_model_n_ctx_train(self._model)
        params.n_threads = params.n_threads_batch = threads
        self._batch = params.n_batch
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._memory = llama_cpp.llama_get_memory(self._context)
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._kept = 0
        self._cached: list[int] = []

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read a prompt and generate."""
        self._clear()
        self._generate(prompt, tokens, emit)

    def keep(self, prompt: Sequence[int]) -> None:
        """Read a prompt and keep it in the cache."""
        self._clear()
        self._read(prompt)
        self._kept = len(prompt)

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Continue from the kept prompt."""
        self._forget_after(self._kept)
        self._generate([key], tokens, emit)

    def complete(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Generate after reading what follows the part of the prompt that is in the cache."""
        pairs = enumerate(zip(prompt[:-1], self._cached, strict=False))
        same = next((at for at, (new, old) in pairs if new != old), min(len(prompt) - 1, len(self._cached)))
        self._forget_after(same)
        self._generate(prompt[same:], tokens, emit)

    def _clear(self) -> None:
        llama_cpp.llama_memory_clear(self._memory, True)
        self._cached = []

    def _forget_after(self, count: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, FIRST_SEQUENCE, count, -1)
        del self._cached[count:]

    def _generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        token = self._read(prompt)
        emit(token)
        for _ in range(tokens - 1):
            token = self._read([token])
            emit(token)

    def _read(self, tokens: Sequence[int]) -> int:
        """Read tokens after those in the cache; return the likeliest next one."""
        for start in range(0, len(tokens), self._batch):
            part = tokens[start : start + self._batch]
            ids = (llama_cpp.llama_token * len(part))(*part)
            if llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(ids, len(part))):
                raise LlamaCppError("llama.cpp could not run the model")
        self._cached += tokens
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        address = ctypes.cast(logits, ctypes.POINTER(ctypes.c_float))
        return int(np.ctypeslib.as_array(address, shape=(self._vocab_size,)).argmax())
