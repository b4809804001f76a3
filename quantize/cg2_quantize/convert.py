"""Conversion of a checkpoint to a model folder, which is written completely or not at all."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.checkpoint.published_tokenizers import check_vocabulary, load_tokenizer
from cg2_quantize.checkpoint.scratch import mark_unfinished, remove_abandoned_folders
from cg2_quantize.checkpoint.sources import (
    check_context,
    choose_context,
    complete_infill,
    describe_limits,
    open_checkpoint,
    read_facts,
)
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import FormatError, select_format
from cg2_quantize.formats.catalogue import check_names, check_shape
from cg2_quantize.graph.builder import ExternalWriter, GraphBuilder
from cg2_quantize.graph.genai import write_genai
from cg2_quantize.graph.graph_weights import GraphWeights
from cg2_quantize.graph.network import build_graph
from cg2_quantize.graph.prefill import write_prefill_graph
from cg2_quantize.model_card import CARD, render_model_card
from cg2_quantize.planning.machine import check_memory, check_output, check_space
from cg2_quantize.planning.providers import SUPPORT, check_provider
from cg2_quantize.verification.calibration import calibrate, check_float16_range
from cg2_quantize.verification.known_code import check_known_code, check_qkv_groups, is_declared_untrained
from cg2_quantize.verification.prove import prove
from cg2_quantize.verification.report import check_limits
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2 import CodeGenConfig, SpecialTokens
from cg2ls.models.codegen2.config import CODEGEN25, GROUPS_KEY, LLAMA
from cg2ls.models.codegen2.files import read_json
from cg2ls.models.folder.description import (
    DESCRIPTION,
    GRAPH,
    PREFILL_GRAPH,
    TOKENIZER,
    WEIGHTS,
    Architecture,
    ModelDescription,
)
from cg2ls.models.folder.facts import Facts
from cg2ls.models.folder.store import LICENCES
from cg2ls.models.folder.verify import describe_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from cg2_quantize.formats import Format
    from cg2_quantize.verification.calibration import Calibration, LargestActivation
    from cg2_quantize.verification.report import ProofReport
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer
    from cg2ls.models.codegen2.infill_tokens import StatedLayout

SPARE_BYTES = 32 << 20
"""Estimated size of the graph, the tokenizer, biases and rotary tables."""


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """Result of a conversion.

    Attributes:
        folder: the new model folder.
        name: the model's name.
        precision: one of `cg2_quantize.formats.FORMATS`.
        parameters: number of trainable parameters of the model.
        bytes: size of the folder.
        bits_per_weight: bits of the weight file per parameter.
        seconds: time of the conversion, without its proof.
        proof: results of the proof; None without one.
        notice: sentences on what the model was not trained for, and on what the provider does not run; may be "".
    """

    folder: Path
    name: str
    precision: str
    parameters: int
    bytes: int
    bits_per_weight: float
    seconds: float
    proof: ProofReport | None = None
    notice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self) | {"folder": str(self.folder)}


@dataclass(frozen=True, kw_only=True)
class ConversionOptions:
    """Options of a conversion.

    Attributes:
        precision: one of `cg2_quantize.formats.FORMATS`.
        target: one of `cg2_quantize.formats.TARGETS`; by default what the precision is for.
        portable: whether to use standard operators only.
        kv: "int8" for keys and values in eight bits.
        context: maximum tokens of prompt and answer, if fewer than the checkpoint's.
        calibrated: whether 4-bit rounding compensates its errors over a small code set.
        eight_bits: names of the matrices that int6 has in eight bits; empty for its usual choice.
        name: what users choose the model by; by default cg2ls.json's, else the checkpoint folder's.
        qkv_groups: groups in the fused projection, where config.json implies the wrong number.
        license: SPDX expression; by default cg2ls.json's.
        force: whether to replace an existing model folder.
        genai: whether to add what onnxruntime-genai reads.
        proof: "none", "quick" or "full" (see `cg2_quantize.verification`).
        optimum: Python of an environment with optimum; the proof then compares with its traced export too.
        allow_loss: whether to keep a conversion of trained weights that is outside of its limits.
        untrained: whether untrained weights are intended (see `cg2_quantize.verification.known_code`).
        ignored: keys of config.json that are not checked.
        infill: what is stated of the layout of infill prompts, where the tokenizer does not say it.
        gpt2: folder with GPT-2's vocab.json and merges.txt, where the checkpoint has no tokenizer.json.
    """

    precision: str = "int8"
    target: str | None = None
    portable: bool = False
    kv: str | None = None
    context: int | None = None
    calibrated: bool = False
    eight_bits: tuple[str, ...] = ()
    name: str | None = None
    qkv_groups: int | None = None
    license: str | None = None
    force: bool = False
    genai: bool = False
    proof: str = "none"
    optimum: Path | None = None
    allow_loss: bool = False
    untrained: bool = False
    ignored: Collection[str] = ()
    gpt2: Path | None = None
    infill: StatedLayout | None = None

    def select_format(self) -> Format:
        """Return the requested format.

        Raises:
            QuantizeError: two options exclude each other.
        """
        chosen = select_format(
            self.precision,
            target=self.target,
            portable=self.portable,
            kv=self.kv,
            calibrated=self.calibrated,
            eight_bits=self.eight_bits,
        )
        if self.optimum is not None and self.proof == "none":
            raise QuantizeError("--reference is part of a proof; ask for --proof quick or full.")
        if self.genai and (chosen.target == "cuda" or chosen.kv != "float32"):
            raise FormatError(
                "--genai is for processors with a float cache; leave --for cuda and --kv int8 out."
            )
        return chosen


def convert(
    checkpoint_folder: Path,
    folder: Path,
    options: ConversionOptions | None = None,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> ConversionReport:
    """Write the model folder of a checkpoint.

    Args:
        checkpoint_folder: config.json, tokenizer.json, safetensors, and perhaps a cg2ls.json (`Facts`).
        folder: the model folder to make.
        options: what to make; by default int8 for a processor, without a proof.
        on_progress: called with the float32 bytes of every tensor that has been read.

    Raises:
        Cg2Error: the checkpoint is incomplete, of a network not read here, or quantized already; the tokenizer does not
            fit it; the format does not allow these options or the range of the network's values; a weight is
            not finite; the weights fail on known code or contradict the number of groups; the conversion lost
            too much; the output exists; or disk or memory do not suffice. Nothing is written then.
    """
    started = time.monotonic()
    options = options or ConversionOptions()
    chosen = options.select_format()
    check_context(options.context)
    check_output(folder, force=options.force, proof=DESCRIPTION)
    remove_abandoned_folders()
    checkpoint = open_checkpoint(checkpoint_folder, qkv_groups=options.qkv_groups, ignored=options.ignored)
    context = choose_context(checkpoint.config, options.context)
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, n_positions=context))
    tokenizer = load_tokenizer(checkpoint_folder, options.gpt2, checkpoint.config.vocab_size, options.infill)
    _check_fits(checkpoint, tokenizer, chosen, options, folder)
    warning = check_provider(checkpoint.config, chosen, options.target) if options.target in SUPPORT else ""
    facts = read_facts(checkpoint_folder, name=options.name, license_=options.license)
    facts = complete_infill(facts, tokenizer.special, checkpoint_folder)
    _check_weights(checkpoint, tokenizer, options)
    largest = check_float16_range(checkpoint, tokenizer, chosen) if chosen.floats == np.float16 else None
    proven: ProofReport | None = None
    with replacing_folder(folder, proof=DESCRIPTION) as new, mark_unfinished(new):
        weights = GraphWeights(
            checkpoint, moves_norms=chosen.matrix_writer.moves_norms, on_progress=on_progress
        )
        calibration = None
        if chosen.kv == "int8" or options.calibrated:
            calibration = calibrate(
                checkpoint, tokenizer, cache=chosen.kv == "int8", inputs=options.calibrated
            )
        write_graph(checkpoint.config, weights, chosen, new, calibration)
        (new / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        model = _describe(checkpoint.config, tokenizer.special, chosen, facts, new)
        model.write(new)
        _copy_licences(checkpoint_folder, new)
        if options.genai:
            write_genai(new)
        seconds = time.monotonic() - started
        if options.proof != "none":
            proven = _prove(checkpoint, new, options, largest)
            replace(model, quality={**model.quality, **_summarize_quality(proven)}).write(new)
        (new / CARD).write_text(render_model_card(new), encoding="utf-8")
    return ConversionReport(
        folder=folder,
        name=model.name,
        precision=options.precision,
        parameters=checkpoint.config.n_parameters,
        bytes=sum(path.stat().st_size for path in folder.iterdir()),
        bits_per_weight=8 * model.files[WEIGHTS].bytes / checkpoint.config.n_parameters,
        seconds=seconds,
        proof=proven,
        notice=" ".join(filter(None, (describe_limits(model.name, tokenizer.special), warning))),
    )


def _check_fits(
    checkpoint: Checkpoint, tokenizer: CodeTokenizer, chosen: Format, options: ConversionOptions, folder: Path
) -> None:
    """Refuse what does not fit the format, the tokenizer, the memory or the disk."""
    config = checkpoint.config
    check_shape(config, chosen)
    check_names(config, chosen.eight_bits)
    if options.genai and not tokenizer.special.n_masks:
        raise FormatError("--genai describes CodeGen2's tokenizer; leave it out for other vocabularies.")
    check_vocabulary(checkpoint, tokenizer)
    check_memory(config)
    needs_reference = options.proof == "full" or options.optimum is not None
    reference_bytes = 4 * config.n_parameters if needs_reference else 0
    check_space(folder, max_bytes(config, chosen) + SPARE_BYTES + reference_bytes)


def _check_weights(checkpoint: Checkpoint, tokenizer: CodeTokenizer, options: ConversionOptions) -> None:
    """Refuse weights that contradict the number of groups, or that fail on known code."""
    config_keys = read_json(checkpoint.folder / "config.json")
    is_stated = options.qkv_groups is not None or GROUPS_KEY in config_keys
    known = check_qkv_groups(checkpoint, tokenizer, stated=is_stated)
    if not (options.untrained or is_declared_untrained(checkpoint.folder)):
        check_known_code(checkpoint, tokenizer, known)


def _copy_licences(checkpoint_folder: Path, folder: Path) -> None:
    for licence in LICENCES:
        if (checkpoint_folder / licence).is_file():
            shutil.copyfile(checkpoint_folder / licence, folder / licence)


def _prove(
    checkpoint: Checkpoint, folder: Path, options: ConversionOptions, largest: LargestActivation | None
) -> ProofReport:
    def write_reference(place: Path) -> None:
        groups = checkpoint.config.qkv_groups
        reference = ConversionOptions(
            precision="fp32",
            context=options.context,
            qkv_groups=groups,
            untrained=True,
            ignored=options.ignored,
            gpt2=options.gpt2,
            infill=options.infill,
        )
        convert(checkpoint.folder, place, reference)

    report = prove(
        checkpoint,
        folder,
        proof=options.proof,
        write_reference=write_reference,
        optimum=options.optimum,
        largest=largest,
    )
    if not options.allow_loss:
        check_limits(report)
    return report


def _summarize_quality(proven: ProofReport) -> dict[str, float]:
    """Return what model.json keeps of a proof."""
    if proven.kl_mean is None or proven.top1_agreement is None:
        return {}
    return {"kl_mean": round(proven.kl_mean, 7), "top1_agreement": round(proven.top1_agreement, 5)}


def max_bytes(config: CodeGenConfig, chosen: Format) -> int:
    """Compute an upper bound of a model's weight file, bytes."""
    ends = 2 * config.vocab_size * config.n_embd
    return chosen.max_bytes(config.n_parameters - ends, ends)


def write_graph(
    config: CodeGenConfig,
    weights: GraphWeights,
    chosen: Format,
    folder: Path,
    calibration: Calibration | None = None,
) -> None:
    """Write model.onnx and model.onnx.data, and prefill.onnx for formats that have it."""
    with ExternalWriter(folder / WEIGHTS) as file:
        builder = GraphBuilder(file, chosen.floats)
        model = build_graph(config, weights, chosen, builder, calibration)
    (folder / GRAPH).write_bytes(model.SerializeToString(deterministic=True))
    if PREFILL_GRAPH in chosen.file_names:
        write_prefill_graph(folder)


def _describe(
    config: CodeGenConfig, tokens: SpecialTokens, chosen: Format, facts: Facts, folder: Path
) -> ModelDescription:
    shape = {name: getattr(config, name) for name in Architecture.__dataclass_fields__}
    return ModelDescription(
        name=facts.name,
        family=LLAMA if config.family == CODEGEN25 and not tokens.n_masks else config.family,
        architecture=Architecture(**shape),
        context_length=config.n_positions,
        tokens=tokens,
        infill=facts.infill,
        languages=facts.languages,
        document_header=facts.document_header,
        precision=chosen.name,
        independent_rows=True,
        kv_dtype=chosen.kv,
        files={name: describe_file(folder / name) for name in chosen.file_names},
        source=facts.source,
        license=facts.license,
        quality=facts.quality,
    )
