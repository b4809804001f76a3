"""CTranslate2's own conversion of a checkpoint to int8, and its generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import ctranslate2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.evaluation.runtimes.worker_protocol import Emit


class CTranslate2Generator:
    """Greedy `generate_batch`, the whole answer in one call, with its callback for each token.

    Args:
        folder: written by `ctranslate2_convert.convert`.
        threads: threads of one generation.
    """

    outside_ms: float | None = None
    reported_ms: Sequence[float] | None = None

    def __init__(self, folder: Path, threads: int) -> None:
        self.version = str(ctranslate2.__version__)
        self._generator = ctranslate2.Generator(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads
        )
        self._texts: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self._kept: list[str] = []

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read a prompt and generate."""
        self._generate([self._texts[token] for token in prompt], tokens, None, emit)

    def keep(self, prompt: Sequence[int]) -> None:
        """Make the prompt the static one, whose state CTranslate2 keeps between calls."""
        self._kept = [self._texts[token] for token in prompt]
        self._generate(self._kept[-1:], 1, self._kept[:-1], lambda _: None)

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Continue from the static prompt."""
        self._generate([self._kept[-1], self._texts[key]], tokens, self._kept[:-1], emit)

    def _generate(self, prompt: list[str], tokens: int, static: list[str] | None, emit: Emit) -> None:
        self._generator.generate_batch(
            [prompt],
            static_prompt=static,
            max_length=tokens,
            min_length=tokens,
            sampling_topk=1,
            beam_size=1,
            include_prompt_in_result=False,
            callback=lambda step: emit(step.token_id),
        )


def convert(checkpoint: Path, folder: Path) -> None:
    """Write CTranslate2's files into a folder.

    Its CodeGen loader reads the fused projection in 4 groups unless config.json has `head_dim`, which a
    dequantized checkpoint has not.

    Args:
        checkpoint: in the Hugging Face layout; the fused projection in 4 groups.
        folder: is replaced.
    """
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(checkpoint)).convert(str(folder), quantization="int8", force=True)
