"""Measure on this machine how much faster a smaller model makes a model folder by drafting tokens."""

from __future__ import annotations

import hashlib
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.checkpoint.published_tokenizers import load_tokenizer
from cg2_quantize.checkpoint.sources import open_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.comparison import compute_row_logits
from cg2_quantize.verification.heldout import ROW_TOKENS, make_heldout_rows
from cg2ls.engine import Engine, EngineOptions, Request
from cg2ls.models.folder.description import TOKENIZER, ModelDescription
from cg2ls.models.folder.draft_pair import DraftPair

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from cg2ls.models.codegen2.infill_tokens import StatedLayout

ROWS = 6
"""Number of prompts, evenly over the held-out set."""

PROMPT_TOKENS, ANSWER_TOKENS = 256, 32
"""Maximum tokens of a prompt; tokens of an answer."""


def check_draft(
    draft: Path,
    checkpoint: Path,
    *,
    gpt2: Path | None = None,
    infill: StatedLayout | None = None,
    ignored: Collection[str] = (),
) -> None:
    """Refuse a model that cannot draft for a checkpoint, before the conversion.

    Args:
        draft: a model folder for the processor.
        checkpoint: the checkpoint to convert.
        gpt2: see `ConversionOptions`.
        infill: see `ConversionOptions`.
        ignored: see `ConversionOptions`.

    Raises:
        QuantizeError: their tokenizers differ.
        Cg2Error: one of them cannot be read.
    """
    smaller = ModelDescription.read(draft)
    config = open_checkpoint(checkpoint, ignored=ignored).config
    tokenizer = load_tokenizer(checkpoint, gpt2, config.vocab_size, infill)
    if hashlib.sha256(tokenizer.to_json().encode("utf-8")).hexdigest() != smaller.files[TOKENIZER].sha256:
        raise QuantizeError(
            f"{draft} cannot draft for {checkpoint}: it has another tokenizer; name a smaller model of the same one."
        )


def measure_pair(folder: Path, draft: Path) -> DraftPair:
    """Measure a pair on held-out code: acceptance, and tokens per second with and without the smaller model.

    Both times the engine's other drafts are used too, as they are in the server. Answers take turns.

    Raises:
        QuantizeError: the drafts changed an answer.
        Cg2Error: a model cannot be run.
    """
    plain = Engine.open(folder)
    drafting = Engine.open(folder, verify=False, options=EngineOptions(draft_model=draft))
    with plain, drafting:
        length = min(PROMPT_TOKENS, plain.context_length - ANSWER_TOKENS - 1)
        wanted = ROWS * min(ROW_TOKENS, plain.context_length)
        rows = [row[:length] for row in make_heldout_rows(plain.tokenizer, plain.context_length, wanted)]
        ratios, whole = [], []
        for row in rows:
            request = Request(prompt=row.tolist(), max_tokens=ANSWER_TOKENS, ignore_stop_tokens=True)
            answers = [[step.token for step in engine.complete(request)] for engine in (plain, drafting)]
            if answers[0] != answers[1]:
                raise QuantizeError(f"{draft} changed an answer of {folder} as its draft; leave --draft out.")
            ratios.append(plain.last.decode_ms / drafting.last.decode_ms)
            whole.append(np.concatenate([row, np.array(answers[0], np.int64)]))
    acceptance = _measure_acceptance(draft, whole)
    return DraftPair.of(draft, acceptance=acceptance, speedup=float(median(ratios)))


def _measure_acceptance(draft: Path, rows: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> float:
    """Return the share of the answers' tokens that the smaller model finds likeliest."""
    about = ModelDescription.read(draft)
    rows = [row[-about.context_length :] for row in rows]
    agreed = [
        (logits[-ANSWER_TOKENS - 1 : -1].argmax(axis=1) == row[-ANSWER_TOKENS:]).mean()
        for row, logits in zip(rows, compute_row_logits(draft, about, rows), strict=True)
    ]
    return float(np.mean(agreed))
