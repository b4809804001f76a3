"""A checkpoint becomes a model folder: whole, hashed and described, or not at all."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cg2_quantize import graph
from cg2_quantize.builder import GraphBuilder
from cg2_quantize.external import ExternalWriter
from cg2_quantize.precision import PRECISIONS
from cg2_quantize.weights import NamedWeights
from cg2ls.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer, SpecialTokens
from cg2ls.errors import Cg2Error
from cg2ls.files import check_replaceable, replacing_folder, sha256_of
from cg2ls.modelfolder.description import (
    CONTENT,
    DESCRIPTION,
    GRAPH,
    LEAST_CONTEXT,
    TOKENIZER,
    WEIGHTS,
    Architecture,
    FileEntry,
    ModelDescription,
)
from cg2ls.modelfolder.facts import Facts
from cg2ls.modelfolder.store import NAME

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES_PER_WEIGHT = {"fp32": 4.0, "int8": 1.05, "int4": 1.2}
"""Upper bounds, scales and zero points included; the embedding and the head have 8 bits in int4."""

ATTENTION_UNIT = 16
"""Channels; the head size and the rotated part of it are multiples of this in GroupQueryAttention."""

SPARE_BYTES = 32 << 20
"""For the graph, the tokenizer, biases and rotary tables."""


class QuantizeError(Cg2Error):
    """A conversion that cannot be done as asked."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a conversion made.

    Attributes:
        folder: the new model folder.
        name: the model's name.
        precision: "fp32", "int8" or "int4".
        parameters: trainable parameters of the model.
        bytes: size of the folder.
        bits_per_weight: of the weight file.
        seconds: wall clock of the conversion.
    """

    folder: Path
    name: str
    precision: str
    parameters: int
    bytes: int
    bits_per_weight: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def convert(
    checkpoint_folder: Path,
    folder: Path,
    *,
    precision: str = "int8",
    name: str | None = None,
    qkv_groups: int | None = None,
    license: str | None = None,  # noqa: A002  the key in model.json
    force: bool = False,
) -> Report:
    """Writes the model folder of a checkpoint.

    Args:
        checkpoint_folder: config.json, tokenizer.json, safetensors, and perhaps a cg2ls.json (`Facts`).
        folder: the model folder to make.
        precision: "fp32", "int8" or "int4".
        name: what users will choose the model by; by default cg2ls.json's, else the checkpoint folder's.
        qkv_groups: groups in the fused projection, where config.json implies the wrong number.
        license: SPDX expression; by default cg2ls.json's.
        force: whether to replace a model folder that is there.

    Raises:
        Cg2Error: the checkpoint is incomplete or not CodeGen2's, the tokenizer does not fit it, the output
            exists, or the disk is too full. Nothing is written then.
    """
    started = time.monotonic()
    check_output(folder, force=force, proof=DESCRIPTION)
    checkpoint = Checkpoint.open(checkpoint_folder, qkv_groups=qkv_groups)
    check_shape(checkpoint.config)
    tokenizer = CodeTokenizer.load(checkpoint.tokenizer_path)
    check_vocabulary(checkpoint, tokenizer)
    need = int(checkpoint.config.n_parameters * MOST_BYTES_PER_WEIGHT[precision]) + SPARE_BYTES
    check_space(folder, need)
    facts = _facts(checkpoint_folder, name, license)
    with replacing_folder(folder, proof=DESCRIPTION) as new:
        _write_graph(checkpoint, precision, new)
        (new / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        model = _describe(checkpoint.config, tokenizer.special, precision, facts, new)
        model.write(new)
    return Report(
        folder=folder,
        name=model.name,
        precision=precision,
        parameters=checkpoint.config.n_parameters,
        bytes=sum(path.stat().st_size for path in folder.iterdir()),
        bits_per_weight=8 * model.files[WEIGHTS].bytes / checkpoint.config.n_parameters,
        seconds=time.monotonic() - started,
    )


def check_output(folder: Path, *, force: bool, proof: str) -> None:
    """Refuses to overwrite a folder, and with `force` one that is not of the kind that has a file `proof`.

    Raises:
        OutputError: the folder is of another kind.
        QuantizeError: it is there, and there is no `force`.
    """
    check_replaceable(folder, proof)
    if not force and folder.exists() and any(folder.iterdir()):
        raise QuantizeError(f"{folder} exists; replace it with --force, or choose another name with -o.")


def check_space(folder: Path, need: int) -> None:
    """Refuses when the disk of `folder` has fewer than `need` bytes free.

    Raises:
        QuantizeError: see above.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise QuantizeError(
            f"{folder} needs up to {need / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB free;"
            " make room or choose another disk with -o."
        )


def check_shape(config: CodeGenConfig) -> None:
    """Refuses what could be written but not run.

    Raises:
        QuantizeError: the head size or its rotated part is no multiple of 16, which ONNX Runtime's
            GroupQueryAttention needs, or the context is too short to complete in.
    """
    if config.n_positions < LEAST_CONTEXT:
        raise QuantizeError(
            f"The model's context is {config.n_positions} tokens, but completing needs {LEAST_CONTEXT} at least."
        )
    for name, size in (("head size", config.head_dim), ("rotary_dim", config.rotary_dim)):
        if size % ATTENTION_UNIT:
            raise QuantizeError(
                f"The model's {name} is {size}, but ONNX Runtime needs a multiple of {ATTENTION_UNIT};"
                " this shape cannot be converted."
            )


def check_vocabulary(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> None:
    """Refuses a tokenizer of another vocabulary size than the model's.

    Raises:
        QuantizeError: see above.
    """
    if tokenizer.special.vocab_size != checkpoint.config.vocab_size:
        raise QuantizeError(
            f"{checkpoint.tokenizer_path} has {tokenizer.special.vocab_size} tokens, but the model has"
            f" {checkpoint.config.vocab_size}; put the tokenizer the model was trained with there."
        )


def _facts(checkpoint_folder: Path, name: str | None, license_: str | None) -> Facts:
    facts = Facts.read(checkpoint_folder)
    place = checkpoint_folder.absolute().name
    source = facts.source if facts.source.checkpoint else replace(facts.source, checkpoint=place)
    if not source.sha256:
        source = replace(source, sha256=_sha256_of_weights(checkpoint_folder))
    chosen = name or facts.name or place
    if not NAME.fullmatch(chosen):
        raise QuantizeError(
            f"{chosen!r} cannot be a model's name; give one of letters, digits, '.', '_' and '-' with --name."
        )
    return replace(facts, name=chosen, license=facts.license if license_ is None else license_, source=source)


def _sha256_of_weights(checkpoint_folder: Path) -> str:
    """Of the one safetensors file, or of the lines "hash  name" of several, in the order of their names."""
    hashes = {path.name: sha256_of(path) for path in sorted(checkpoint_folder.glob("*.safetensors"))}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _write_graph(checkpoint: Checkpoint, precision: str, folder: Path) -> None:
    with ExternalWriter(folder / WEIGHTS) as weights:
        chosen = PRECISIONS[precision]
        named = NamedWeights(checkpoint, moves_norms=chosen.moves_norms)
        model = graph.build(checkpoint.config, named, chosen, GraphBuilder(weights))
    (folder / GRAPH).write_bytes(model.SerializeToString(deterministic=True))


def _describe(
    config: CodeGenConfig, tokens: SpecialTokens, precision: str, facts: Facts, folder: Path
) -> ModelDescription:
    shape = {name: getattr(config, name) for name in Architecture.__dataclass_fields__}
    return ModelDescription(
        name=facts.name,
        architecture=Architecture(**shape),
        context_length=config.n_positions,
        tokens=tokens,
        infill=facts.infill,
        languages=facts.languages,
        document_header=facts.document_header,
        precision=precision,
        independent_rows=PRECISIONS[precision].independent_rows,
        files={name: FileEntry(sha256_of(folder / name), (folder / name).stat().st_size) for name in CONTENT},
        source=facts.source,
        license=facts.license,
        quality=facts.quality,
    )
