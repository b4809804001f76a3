"""The proof of a conversion: reference and model are compared and timed; the model's folder gets the report."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cg2_quantize.checkpoint.dequantize import TRANSFORMERS_GROUPS, dequantize
from cg2_quantize.checkpoint.scratch import scratch_folder
from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning.machine import inspect_machine
from cg2_quantize.verification.answers import (
    collect_answers,
    compute_exact_match_delta,
    median_first_divergence,
)
from cg2_quantize.verification.comparison import NetworkComparison, compare_networks
from cg2_quantize.verification.heldout import (
    MEASURED_TOKENS,
    TRAINED_SHARE,
    compute_unigram_table,
    make_heldout_rows,
)
from cg2_quantize.verification.page import render_page
from cg2_quantize.verification.piecewise import PiecewiseNetwork
from cg2_quantize.verification.reference import build_reference_network
from cg2_quantize.verification.report import PAGE, ProofReport
from cg2_quantize.verification.speed import measure_speed
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.folder.description import TOKENIZER, WEIGHTS, ModelDescription

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cg2_quantize.verification.calibration import LargestActivation
    from cg2_quantize.verification.comparison import Measures
    from cg2ls.models.codegen2 import Checkpoint

QUICK_TOKENS = 2048
PROOFS = ("none", "quick", "full")

MEMORY_FACTOR = 1.5
"""Free memory, over the size of the folder, that timing the whole model needs."""

HALF_CACHES = ("float16", "bfloat16")
"""Caches of models for CUDA, which are not timed on a processor."""


def prove(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    proof: str,
    write_reference: Callable[[Path], object],
    optimum: Path | None = None,
    largest: LargestActivation | None = None,
) -> ProofReport:
    """Compare a model folder with its checkpoint, and write report.json and report.html into it.

    Args:
        checkpoint: the source of the folder.
        folder: the model folder.
        proof: "quick": logits over 2,048 tokens and speed; "full": logits over 20,000 tokens, speed and answers.
        write_reference: writes the checkpoint as fp32 into the given folder; for a full proof.
        optimum: Python of an environment with optimum, to compare with its traced export too.
        largest: the largest activation, if the format has float16 activations.

    Raises:
        QuantizeError: that Python cannot compare them, or a value is not finite.
    """
    model = ModelDescription.read(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    weights = (folder / WEIGHTS).stat().st_size
    report = ProofReport(
        format=model.precision,
        bytes=size,
        bits_per_weight=8 * weights / checkpoint.config.n_parameters,
        parameters=checkpoint.config.n_parameters,
        proof=proof,
    )
    tokens = QUICK_TOKENS if proof == "quick" else MEASURED_TOKENS
    streamed = _compare(checkpoint, folder, model, tokens)
    if streamed is not None:
        rows, table = (
            streamed.tokens,
            compute_unigram_table(CodeTokenizer.load(folder / TOKENIZER, model.tokens)),
        )
        report = replace(report, **_summarize(streamed.measures, float(table[rows[:, 1:]].mean())))
    if largest is not None:
        report = replace(report, largest_activation=largest.value, largest_activation_at=largest.at)
    if model.kv_dtype not in HALF_CACHES and size * MEMORY_FACTOR < inspect_machine().memory:
        report = _add_speed(report, folder)
        if proof == "full":
            report = _add_answers(report, folder, write_reference)
    if optimum is not None and model.kv_dtype != "bfloat16":
        found = compare_with_optimum(optimum, checkpoint, folder, tokens, write_reference)
        report = replace(report, **found)
    report.write(folder)
    write_atomically(folder / PAGE, render_page(model.name, report, streamed))
    return report


def _summarize(measures: Measures, unigram_loss: float) -> dict[str, Any]:
    """Return the fields of a report that a comparison fills.

    Args:
        measures: the comparison.
        unigram_loss: mean over the same tokens of `compute_unigram_table`, nats.
    """
    loss = float(measures.values("reference_loss").mean())
    return {
        "kl_mean": measures.kl_mean,
        "kl_p99": measures.kl_p99,
        "top1_agreement": measures.top1_agreement,
        "perplexity_ratio": measures.perplexity_ratio,
        "tokens": measures.tokens,
        "documents": len(measures.ends),
        "kl_error": measures.standard_error("kl"),
        "top1_error": measures.standard_error("agrees"),
        "reference_loss": loss,
        "unigram_loss": unigram_loss,
        "trained": loss < TRAINED_SHARE * unigram_loss,
    }


def _compare(
    checkpoint: Checkpoint, folder: Path, model: ModelDescription, tokens: int
) -> NetworkComparison | None:
    """Compare both networks over held-out code; None for bfloat16, which processors have no kernels for."""
    if model.kv_dtype == "bfloat16":
        return None
    tokenizer = CodeTokenizer.load(folder / TOKENIZER, model.tokens)
    rows = make_heldout_rows(tokenizer, model.context_length, tokens)
    network = PiecewiseNetwork.of_folder(folder, checkpoint.config.n_layer)
    return compare_networks(
        checkpoint.config, build_reference_network(checkpoint), network, model.kv_dtype, rows
    )


def _add_speed(report: ProofReport, folder: Path) -> ProofReport:
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


def _add_answers(report: ProofReport, folder: Path, write_reference: Callable[[Path], object]) -> ProofReport:
    with scratch_folder(folder.parent) as scratch:
        place = scratch / "reference"
        write_reference(place)
        expected, found = collect_answers(place), collect_answers(folder)
    return replace(
        report,
        infill_exact_match_delta=compute_exact_match_delta(expected, found),
        first_divergence_median=median_first_divergence(expected, found),
    )


def compare_with_optimum(
    python: Path,
    checkpoint: Checkpoint,
    folder: Path,
    tokens: int,
    write_reference: Callable[[Path], object],
) -> dict[str, Any]:
    """Run `cg2_runtimes.optimum_distance`; return fields of a `ProofReport`.

    Args:
        python: Python of an environment with the extra cg2ls[reference].
        checkpoint: the source of the folder.
        folder: a model folder for processors.
        tokens: number of tokens of held-out code.
        write_reference: writes the checkpoint as fp32 into the given folder.

    Raises:
        QuantizeError: that Python cannot compare them; the reason is its last line.
    """
    with scratch_folder(folder.parent) as scratch:
        source = checkpoint.folder
        if checkpoint.config.family == CODEGEN2 and checkpoint.config.qkv_groups != TRANSFORMERS_GROUPS:
            source = scratch / "checkpoint"
            write_reference(scratch / "fp32")
            dequantize(scratch / "fp32", source)
        words = [str(python), "-m", "cg2_runtimes", "distance", str(source), str(folder)]
        try:
            ran = subprocess.run(
                [*words, "--tokens", str(tokens)], capture_output=True, text=True, check=True
            )
        except OSError as error:
            raise QuantizeError(f"{python} cannot be run ({error}); name another with --reference.") from None
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.strip().splitlines() or ["it said nothing"]
            raise QuantizeError(
                f"{python} cannot compare with optimum's export ({said[-1]}); `make reference` makes an environment"
                " that can."
            ) from None
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found
