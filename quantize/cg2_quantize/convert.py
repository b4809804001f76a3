"""A checkpoint becomes a model folder: whole, hashed and described, or not at all."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.checkpoint.published_tokenizers import tokenizer_of
from cg2_quantize.checkpoint.scratch import noted, remove_left_behind
from cg2_quantize.checkpoint.sources import LICENCES, card_license, open_checkpoint, origin_of
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import FormatError, format_of
from cg2_quantize.graph.builder import ExternalWriter, GraphBuilder
from cg2_quantize.graph.genai import write_genai
from cg2_quantize.graph.graph_weights import GraphWeights
from cg2_quantize.graph.network import build
from cg2_quantize.planning.plan import (
    check_context,
    check_memory,
    check_output,
    check_shape,
    check_space,
    check_vocabulary,
)
from cg2_quantize.verification.calibration import calibrate, check_half
from cg2_quantize.verification.known_code import check_groups, check_sense, declared_untrained
from cg2_quantize.verification.prove import prove
from cg2_quantize.verification.report import check_limits
from cg2ls.files import replacing_folder, sha256_of
from cg2ls.models.codegen2 import CodeGenConfig, SpecialTokens
from cg2ls.models.codegen2.config import GROUPS_KEY
from cg2ls.models.codegen2.files import read_json
from cg2ls.models.codegen2.weight_files import find_weights
from cg2ls.models.folder.description import (
    CONTENT,
    DESCRIPTION,
    GRAPH,
    TOKENIZER,
    WEIGHTS,
    Architecture,
    FileEntry,
    ModelDescription,
)
from cg2ls.models.folder.facts import Facts
from cg2ls.models.folder.store import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from cg2_quantize.formats import Format
    from cg2_quantize.verification.calibration import Calibration, Largest
    from cg2_quantize.verification.report import ProofReport
    from cg2ls.models.codegen2 import Checkpoint

SPARE_BYTES = 32 << 20
"""For the graph, the tokenizer, biases and rotary tables."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a conversion made.

    Attributes:
        folder: the new model folder.
        name: the model's name.
        precision: "fp32", "fp16", "bf16", "int8", "int4" or "nf4".
        parameters: trainable parameters of the model.
        bytes: size of the folder.
        bits_per_weight: of the weight file.
        seconds: wall clock of the conversion, without its proof.
        proof: what the proof found; None without one.
    """

    folder: Path
    name: str
    precision: str
    parameters: int
    bytes: int
    bits_per_weight: float
    seconds: float
    proof: ProofReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def convert(
    checkpoint_folder: Path,
    folder: Path,
    *,
    precision: str = "int8",
    target: str | None = None,
    portable: bool = False,
    kv: str | None = None,
    context: int | None = None,
    calibrated: bool = False,
    name: str | None = None,
    qkv_groups: int | None = None,
    license: str | None = None,  # noqa: A002  the key in model.json
    force: bool = False,
    genai: bool = False,
    proof: str = "none",
    optimum: Path | None = None,
    allow_loss: bool = False,
    untrained: bool = False,
    ignored: Collection[str] = (),
    gpt2: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Writes the model folder of a checkpoint.

    Args:
        checkpoint_folder: config.json, tokenizer.json, safetensors, and perhaps a cg2ls.json (`Facts`).
        folder: the model folder to make.
        precision: "fp32", "fp16", "bf16", "int8", "int4" or "nf4".
        target: "cpu" or "cuda"; by default what the precision is for.
        portable: whether in standard operators only.
        kv: "int8" for keys and values in eight bits.
        context: most tokens of prompt and answer, if fewer than the checkpoint's.
        calibrated: whether int4's ranges are chosen by what matters on a small code set.
        name: what users will choose the model by; by default cg2ls.json's, else the checkpoint folder's.
        qkv_groups: groups in the fused projection, where config.json implies the wrong number.
        license: SPDX expression; by default cg2ls.json's.
        force: whether to replace a model folder that is there.
        genai: whether to add what onnxruntime-genai reads.
        proof: "none", "quick" or "full" (see `cg2_quantize.verification`).
        optimum: Python of an environment with optimum, whose traced export the proof then compares with too.
        allow_loss: whether to keep a conversion of trained weights that lies outside of its limits.
        untrained: whether weights that know nothing of code are meant (see `cg2_quantize.verification.known_code`).
        ignored: keys of config.json that are not looked at.
        gpt2: folder with GPT-2's vocab.json and merges.txt, where the checkpoint has no tokenizer.json.
        progress: is told of every tensor's bytes in float32 when it has been read.

    Raises:
        Cg2Error: the checkpoint is incomplete, not CodeGen2's, or quantized already, the tokenizer does not fit it,
            the format cannot be written so or cannot hold the network's values, the weights hold a number that is
            not finite, know nothing of code, or contradict the number of groups, the conversion lost too much, the
            output exists, or disk or memory do not suffice. Nothing is written then.
    """
    started = time.monotonic()
    chosen = format_of(precision, target=target, portable=portable, kv=kv, calibrated=calibrated)
    if optimum is not None and proof == "none":
        raise QuantizeError("--reference is part of a proof; ask for --proof quick or full.")
    if genai and (chosen.target == "cuda" or chosen.kv != "float32"):
        raise FormatError("--genai is for processors with a float cache; leave --for cuda and --kv int8 out.")
    check_context(context)
    check_output(folder, force=force, proof=DESCRIPTION)
    remove_left_behind()
    checkpoint = open_checkpoint(checkpoint_folder, qkv_groups=qkv_groups, ignored=ignored)
    if context is not None:
        shorter = min(context, checkpoint.config.n_positions)
        checkpoint = replace(checkpoint, config=replace(checkpoint.config, n_positions=shorter))
    check_shape(checkpoint.config, chosen)
    tokenizer = tokenizer_of(checkpoint_folder, gpt2)
    check_vocabulary(checkpoint, tokenizer)
    check_memory(checkpoint.config)
    needs_reference = proof == "full" or optimum is not None
    check_space(
        folder,
        most_bytes(checkpoint.config, chosen)
        + SPARE_BYTES
        + 4 * checkpoint.config.n_parameters * needs_reference,
    )
    facts = _facts(checkpoint_folder, name, license)
    stated = qkv_groups is not None or GROUPS_KEY in read_json(checkpoint_folder / "config.json")
    known = check_groups(checkpoint, tokenizer, stated=stated)
    if not (untrained or declared_untrained(checkpoint_folder)):
        check_sense(checkpoint, tokenizer, known)
    is_half = chosen.floats == np.float16
    largest = check_half(checkpoint, tokenizer, chosen) if is_half else None
    proven: ProofReport | None = None
    with replacing_folder(folder, proof=DESCRIPTION) as new, noted(new):
        named = GraphWeights(checkpoint, moves_norms=chosen.precision.moves_norms, progress=progress)
        found = calibrate(checkpoint, tokenizer) if calibrated or chosen.kv == "int8" else None
        write_graph(checkpoint.config, named, chosen, new, found)
        (new / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        model = _describe(checkpoint.config, tokenizer.special, chosen, facts, new)
        model.write(new)
        for licence in LICENCES:
            if (checkpoint_folder / licence).is_file():
                shutil.copyfile(checkpoint_folder / licence, new / licence)
        if genai:
            write_genai(new)
        seconds = time.monotonic() - started
        if proof != "none":
            proven = _prove(
                checkpoint, new, proof, optimum, largest, ignored=ignored, gpt2=gpt2, allow_loss=allow_loss
            )
            replace(model, quality={**model.quality, **_quality(proven)}).write(new)
    return Report(
        folder=folder,
        name=model.name,
        precision=precision,
        parameters=checkpoint.config.n_parameters,
        bytes=sum(path.stat().st_size for path in folder.iterdir()),
        bits_per_weight=8 * model.files[WEIGHTS].bytes / checkpoint.config.n_parameters,
        seconds=seconds,
        proof=proven,
    )


def _prove(
    checkpoint: Checkpoint,
    folder: Path,
    proof: str,
    optimum: Path | None,
    largest: Largest | None,
    *,
    ignored: Collection[str],
    gpt2: Path | None,
    allow_loss: bool,
) -> ProofReport:
    def reference(place: Path) -> None:
        groups = checkpoint.config.qkv_groups
        convert(
            checkpoint.folder,
            place,
            precision="fp32",
            qkv_groups=groups,
            untrained=True,
            ignored=ignored,
            gpt2=gpt2,
        )

    report = prove(
        checkpoint, folder, proof=proof, reference_folder=reference, optimum=optimum, largest=largest
    )
    if not allow_loss:
        check_limits(report)
    return report


def _quality(proven: ProofReport) -> dict[str, float]:
    """What model.json keeps of a proof."""
    if proven.kl_mean is None or proven.top1_agreement is None:
        return {}
    return {"kl_mean": round(proven.kl_mean, 7), "top1_agreement": round(proven.top1_agreement, 5)}


def most_bytes(config: CodeGenConfig, chosen: Format) -> int:
    """Upper bound of a model's weight file."""
    ends = 2 * config.vocab_size * config.n_embd
    return chosen.most_bytes(config.n_parameters - ends, ends)


def write_graph(
    config: CodeGenConfig,
    named: GraphWeights,
    chosen: Format,
    folder: Path,
    calibration: Calibration | None = None,
) -> None:
    """Writes model.onnx and model.onnx.data."""
    with ExternalWriter(folder / WEIGHTS) as weights:
        builder = GraphBuilder(weights, chosen.floats)
        model = build(config, named, chosen, builder, calibration)
    (folder / GRAPH).write_bytes(model.SerializeToString(deterministic=True))


def _facts(checkpoint_folder: Path, name: str | None, license_: str | None) -> Facts:
    facts = Facts.read(checkpoint_folder)
    origin = origin_of(checkpoint_folder)
    place = checkpoint_folder.absolute().name if origin is None else origin.name.rpartition("/")[2]
    source = facts.source
    if not source.checkpoint:
        whole_name = place if origin is None else origin.name
        source = replace(source, checkpoint=whole_name, revision="" if origin is None else origin.revision)
    if not source.sha256:
        source = replace(source, sha256=_sha256_of_weights(checkpoint_folder))
    chosen = name or facts.name or place
    if not NAME.fullmatch(chosen):
        raise QuantizeError(
            f"{chosen!r} cannot be a model's name; give one of letters, digits, '.', '_' and '-' with --name."
        )
    stated = facts.license or card_license(checkpoint_folder)
    return replace(facts, name=chosen, license=stated if license_ is None else license_, source=source)


def _sha256_of_weights(checkpoint_folder: Path) -> str:
    """Of the one weight file, or of the lines "hash  name" of several, in the order of their names."""
    hashes = {path.name: sha256_of(path) for path in find_weights(checkpoint_folder).paths}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _describe(
    config: CodeGenConfig, tokens: SpecialTokens, chosen: Format, facts: Facts, folder: Path
) -> ModelDescription:
    shape = {name: getattr(config, name) for name in Architecture.__dataclass_fields__}
    return ModelDescription(
        name=facts.name,
        family=config.family,
        architecture=Architecture(**shape),
        context_length=config.n_positions,
        tokens=tokens,
        infill=facts.infill,
        languages=facts.languages,
        document_header=facts.document_header,
        precision=chosen.name,
        independent_rows=True,
        kv_dtype=chosen.kv,
        files={name: FileEntry(sha256_of(folder / name), (folder / name).stat().st_size) for name in CONTENT},
        source=facts.source,
        license=facts.license,
        quality=facts.quality,
    )
