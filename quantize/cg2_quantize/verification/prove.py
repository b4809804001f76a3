"""A proof: reference and model compared, timed, and written down beside the model."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from cg2_quantize.checkpoint.scratch import scratch_folder
from cg2_quantize.planning.machine import this_machine
from cg2_quantize.verification.answers import answers, exact_match_delta, first_divergence
from cg2_quantize.verification.heldout import TOKENS, heldout_rows, unigram_table
from cg2_quantize.verification.optimum import against_optimum
from cg2_quantize.verification.page import page
from cg2_quantize.verification.pieces import Network
from cg2_quantize.verification.reference import reference_network
from cg2_quantize.verification.report import PAGE, ProofReport, measured
from cg2_quantize.verification.speed import measure_speed
from cg2_quantize.verification.stream import Streamed, stream
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, WEIGHTS, ModelDescription

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cg2_quantize.verification.activation_ranges import Largest
    from cg2ls.models.codegen2 import Checkpoint

QUICK_TOKENS = 2048
PROOFS = ("none", "quick", "full")

MEMORY_FACTOR = 1.5
"""Memory free, over the size of the folder, from which on the whole model is opened to be timed."""

HALF = ("float16", "bfloat16")
"""Caches of models for CUDA, which are not timed on a processor."""


def prove(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    proof: str,
    reference_folder: Callable[[Path], object],
    optimum: Path | None = None,
    largest: Largest | None = None,
) -> ProofReport:
    """Compares a model folder with its checkpoint and writes report.json and report.html into it.

    Args:
        checkpoint: what the folder was made from.
        folder: the model folder.
        proof: "quick": logits over 2,048 tokens and speed; "full": over 20,000, and answers.
        reference_folder: writes the checkpoint as fp32 into a folder it is given; for a full proof.
        optimum: Python of an environment with optimum, to compare with its traced export too.
        largest: the largest activation seen, where the format has float16 ones.

    Raises:
        QuantizeError: that Python cannot do it, or a value is not finite.
    """
    model = ModelDescription.read(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    weights = (folder / WEIGHTS).stat().st_size
    report = ProofReport(
        format=model.precision,
        bytes=size,
        bits_per_weight=8 * weights / checkpoint.config.n_parameters,
        proof=proof,
    )
    tokens = QUICK_TOKENS if proof == "quick" else TOKENS
    streamed = _compare(checkpoint, folder, model, tokens)
    if streamed is not None:
        rows, table = streamed.tokens, unigram_table(CodeTokenizer.load(folder / TOKENIZER))
        report = replace(report, **measured(streamed.measures, float(table[rows[:, 1:]].mean())))
    if largest is not None:
        report = replace(report, largest_activation=largest.value, largest_activation_at=largest.at)
    if model.kv_dtype not in HALF and size * MEMORY_FACTOR < this_machine().memory:
        report = _timed(report, folder)
        if proof == "full":
            report = _answered(report, folder, reference_folder)
    if optimum is not None and model.kv_dtype != "bfloat16":
        found = against_optimum(optimum, checkpoint, folder, tokens, reference_folder)
        report = replace(report, **found)
    report.write(folder)
    write_atomically(folder / PAGE, page(model.name, report, streamed))
    return report


def _compare(checkpoint: Checkpoint, folder: Path, model: ModelDescription, tokens: int) -> Streamed | None:
    """Both networks over held-out code; None for bfloat16, which no processor's kernels take."""
    if model.kv_dtype == "bfloat16":
        return None
    tokenizer = CodeTokenizer.load(folder / TOKENIZER)
    rows = heldout_rows(tokenizer, model.context_length, tokens)
    network = Network.of_folder(folder, checkpoint.config.n_layer)
    return stream(checkpoint.config, reference_network(checkpoint), network, model.kv_dtype, rows)


def _timed(report: ProofReport, folder: Path) -> ProofReport:
    try:
        speed = measure_speed(folder)
    except subprocess.CalledProcessError:
        return report
    return replace(
        report,
        prefill_ms=speed.prefill_ms,
        decode_tokens_per_s=speed.decode_tokens_per_s,
        bandwidth_share=speed.bandwidth_share,
        peak_memory_bytes=speed.peak_memory_bytes,
    )


def _answered(report: ProofReport, folder: Path, reference_folder: Callable[[Path], object]) -> ProofReport:
    with scratch_folder(folder.parent) as scratch:
        place = scratch / "reference"
        reference_folder(place)
        expected, found = answers(place), answers(folder)
    return replace(
        report,
        infill_exact_match_delta=exact_match_delta(expected, found),
        first_divergence_median=first_divergence(expected, found),
    )
