"""model.json: the description of a model folder, its reader and its writer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.errors import Cg2Error
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text
from cg2ls.models.codegen2.config import CODEGEN2, FAMILIES
from cg2ls.models.codegen2.files import problem_of
from cg2ls.models.codegen2.rotary import ROTARY_BASE, SCALING_KEYS, RotaryScaling
from cg2ls.models.codegen2.special_tokens import SpecialTokens
from cg2ls.models.folder import fields
from cg2ls.models.folder.gate import GateWeights, read_gate
from cg2ls.models.folder.line_choice import LineChoice, read_line_choice
from cg2ls.models.folder.tokens import read_tokens, tokens_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_CONTEXT_TOKENS = 32
"""A shorter context has no room for a prompt and an answer."""

FORMAT = 1
"""Version of model.json that this module reads and writes."""

DESCRIPTION = "model.json"
GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
TOKENIZER = "tokenizer.json"
PREFILL_GRAPH = "prefill.onnx"
"""Graph that reads prompts with int8 products, in folders with int4 weights; see `cg2ls.engine.prefill`."""

CONTENT = (GRAPH, WEIGHTS, TOKENIZER)
"""Files of a model folder besides model.json."""

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "int6", "int4", "nf4")
KV_DTYPES = ("float32", "float16", "bfloat16", "int8")

MAX_DIMENSION = 1 << 24
"""Upper bound of shapes and context, so that a damaged file cannot make the engine allocate excessive memory."""


class ModelFolderError(Cg2Error):
    """A model folder that is missing, damaged, or not what its model.json says."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Shape of the network, with the names of `cg2ls.models.codegen2.CodeGenConfig`.

    Attributes:
        qkv_groups: groups in the fused projection of the source checkpoint. The graph itself has plain query, key and
            value columns.
        n_kv_head: heads of keys and values; None for as many as query heads.
        rotary_base: base of the rotary embedding's frequencies.
        rotary_scaling: their scaling for long contexts; None for none.
    """

    n_layer: int
    n_embd: int
    n_head: int
    head_dim: int
    rotary_dim: int
    n_inner: int
    vocab_size: int
    qkv_groups: int
    n_kv_head: int | None = None
    rotary_base: float = ROTARY_BASE
    rotary_scaling: RotaryScaling | None = None

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without settings that CodeGen2's network does not have."""
        plain = {name: getattr(self, name) for name in SIZES}
        scaling = None if self.rotary_scaling is None else asdict(self.rotary_scaling)
        base = None if self.rotary_base == ROTARY_BASE else self.rotary_base
        other = {"n_kv_head": self.n_kv_head, "rotary_base": base, "rotary_scaling": scaling}
        return plain | {name: value for name, value in other.items() if value is not None}


SIZES = ("n_layer", "n_embd", "n_head", "head_dim", "rotary_dim", "n_inner", "vocab_size", "qkv_groups")
"""Keys of every "architecture" in model.json."""

FILL_IN = ("span_corruption", "fim")
"""Objectives that train a model to fill in: CodeGen2's, and that of one middle per document (fill in the middle)."""


@dataclass(frozen=True, kw_only=True)
class Infill:
    """Infill training of the weights.

    Attributes:
        objectives: "causal" and one of `FILL_IN`; without the latter the model only continues text.
        character_cuts: whether spans were cut between characters, so that a middle may begin inside a word.
        anchor_max_tokens: maximum tokens of the middle in the prompt before the anchor moves; 0 puts the anchor at
            the cursor, which is the published prompt.
    """

    objectives: tuple[str, ...] = ("causal", "span_corruption")
    character_cuts: bool = False
    anchor_max_tokens: int = 0

    @property
    def fills_in(self) -> bool:
        """Whether the model was trained to fill in."""
        return any(objective in self.objectives for objective in FILL_IN)


@dataclass(frozen=True)
class Language:
    """One language that the weights were trained on.

    Attributes:
        bits_per_byte: loss on held-out files; None if not measured.
    """

    bits_per_byte: float | None = None


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 (hexadecimal) and size in bytes of one file of the folder."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """Origin of the weights; empty strings where it is unknown.

    Attributes:
        checkpoint: name of the checkpoint.
        revision: pinned revision of the checkpoint.
        sha256: hash of the checkpoint's weight files.
    """

    checkpoint: str = ""
    revision: str = ""
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The content of one model.json.

    Attributes:
        name: name by which users choose the model.
        architecture: shape of the network.
        context_length: maximum tokens of prompt and answer together.
        tokens: ids of the special tokens; `vocab_size` is that of the architecture.
        precision: precision of the weights, one of `PRECISIONS`.
        independent_rows: whether a token's result does not depend on the other tokens of its call of the graph.
            False where activations have one scale for all rows of a call; then chunks, drafts and reuse of the cache
            change results slightly.
        files: every file of the folder except model.json, by plain name.
        source: origin of the weights.
        license: SPDX expression for the weights, "" where unknown.
        infill: infill training of the weights.
        languages: languages of the training data, by LSP language id; empty where unknown.
        document_header: text before every document in training, "" for none.
        kv_dtype: element type of the key and value buffers, one of `KV_DTYPES`.
        quality: measured numbers, by the name of the measure.
        family: network family, one of `cg2ls.models.codegen2.config.FAMILIES`.
        line_choice: fitted numbers for the choice among several lines; None where they were not fitted.
        gate: fitted numbers of the gate; None where they were not fitted.
    """

    name: str
    architecture: Architecture
    context_length: int
    tokens: SpecialTokens
    precision: str
    independent_rows: bool = True
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    license: str = ""
    infill: Infill = field(default_factory=Infill)
    languages: Mapping[str, Language] = field(default_factory=dict)
    document_header: str = ""
    kv_dtype: str = "float32"
    quality: Mapping[str, float] = field(default_factory=dict)
    family: str = CODEGEN2
    line_choice: LineChoice | None = None
    gate: GateWeights | None = None

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights, or of the graph if it contains them; "" if the files are not listed."""
        return _hash_of_weights(self.files)

    @classmethod
    def read(cls, folder: Path) -> ModelDescription:
        """Read and check `folder`/model.json, without the other files.

        Raises:
            ModelFolderError: the file is missing, is not JSON, has a newer format, or a value is missing, of the
                wrong type or out of range.
        """
        path = folder / DESCRIPTION
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ModelFolderError(f"{path} is missing, so {folder} is not a model folder.") from None
        except (OSError, ValueError, RecursionError) as error:
            said = f"{path} cannot be read as JSON ({error}); convert the model again."
            raise ModelFolderError(problem_of(path) or said) from None
        except fields.FieldError as error:
            raise ModelFolderError(f"{path}: {error}") from None

    def write(self, folder: Path) -> None:
        """Write `folder`/model.json atomically."""
        write_atomically(folder / DESCRIPTION, json_text(self.to_dict(), indent=2, origin=DESCRIPTION) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of model.json."""
        return {
            "format": FORMAT,
            "name": self.name,
            "family": self.family,
            "architecture": self.architecture.to_dict(),
            "context_length": self.context_length,
            "tokens": tokens_to_dict(self.tokens),
            "infill": asdict(self.infill) | {"objectives": list(self.infill.objectives)},
            "languages": {name: asdict(language) for name, language in self.languages.items()},
            "document_header": self.document_header,
            "precision": self.precision,
            "independent_rows": self.independent_rows,
            "kv_dtype": self.kv_dtype,
            "files": {name: asdict(entry) for name, entry in self.files.items()},
            "source": asdict(self.source),
            "license": self.license,
            "quality": dict(self.quality),
        } | {
            name: fitted.to_dict()
            for name, fitted in (("line_choice", self.line_choice), ("gate", self.gate))
            if fitted is not None
        }

    @classmethod
    def from_dict(cls, raw: object) -> ModelDescription:
        """Read the JSON object of model.json; unknown keys are ignored.

        Raises:
            FieldError: see `read`, which turns it into a ModelFolderError with the file's name.
        """
        top = fields.Fields(raw)
        if (version := top.integer("format", at_least=1)) > FORMAT:
            raise fields.FieldError(
                f"format is {version}, but this cg2ls reads up to {FORMAT}; update cg2ls."
            )
        shape = _architecture(top.object("architecture"))
        precision = top.text("precision", among=PRECISIONS)
        name = top.text("name", empty=False)
        files = _files(top.object("files"))
        return cls(
            name=name,
            family=top.text("family", among=FAMILIES),
            architecture=shape,
            context_length=top.integer("context_length", at_least=MIN_CONTEXT_TOKENS, below=MAX_DIMENSION),
            tokens=read_tokens(top.object("tokens"), shape.vocab_size),
            infill=read_infill(top.object("infill")),
            languages=read_languages(top.object("languages")),
            document_header=top.text("document_header"),
            precision=precision,
            independent_rows=(
                top.boolean("independent_rows") if "independent_rows" in top else precision != "int8"
            ),
            kv_dtype=top.text("kv_dtype", among=KV_DTYPES),
            files=files,
            source=read_source(top.object("source")),
            license=top.text("license"),
            quality=top.object("quality").numbers(),
            line_choice=read_line_choice(top.object("line_choice")) if "line_choice" in top else None,
            gate=read_gate(top.object("gate"), name, _hash_of_weights(files)) if "gate" in top else None,
        )


def _hash_of_weights(files: Mapping[str, FileEntry]) -> str:
    """Return the hash of the weights, or of the graph if it contains them."""
    entry = files.get(WEIGHTS) or files.get(GRAPH)
    return entry.sha256 if entry else ""


def _architecture(raw: fields.Fields) -> Architecture:
    sizes = {name: raw.integer(name, at_least=1, below=MAX_DIMENSION) for name in SIZES}
    shape = Architecture(
        **sizes,
        n_kv_head=raw.integer("n_kv_head", at_least=1, below=MAX_DIMENSION) if "n_kv_head" in raw else None,
        rotary_base=raw.optional_number("rotary_base") or ROTARY_BASE,
        rotary_scaling=_rotary_scaling(raw.object("rotary_scaling")) if "rotary_scaling" in raw else None,
    )
    if shape.n_head % shape.kv_heads:
        raise fields.FieldError("architecture: n_head must be a multiple of n_kv_head.")
    if shape.n_head * shape.head_dim != shape.n_embd:
        raise fields.FieldError("architecture: n_embd must be n_head times head_dim.")
    if shape.rotary_dim % 2 or shape.rotary_dim > shape.head_dim:
        raise fields.FieldError("architecture.rotary_dim must be even and at most head_dim.")
    return shape


def _rotary_scaling(raw: fields.Fields) -> RotaryScaling:
    numbers = {name: raw.optional_number(name) for name in ("factor", "low_freq_factor", "high_freq_factor")}
    return RotaryScaling(
        kind=raw.text("kind", among=[kind for kind, keys in SCALING_KEYS.items() if keys]),
        original_positions=raw.integer("original_positions", at_least=1),
        **{name: number for name, number in numbers.items() if number is not None},
    )


def read_infill(raw: fields.Fields) -> Infill:
    """Read the object of the key "infill"."""
    return Infill(
        objectives=raw.texts("objectives"),
        character_cuts=raw.boolean("character_cuts"),
        anchor_max_tokens=raw.integer("anchor_max_tokens", at_least=0),
    )


def read_languages(raw: fields.Fields) -> dict[str, Language]:
    """Read the object of the key "languages"."""
    return {name: Language(raw.object(name).optional_number("bits_per_byte")) for name in raw}


def read_source(raw: fields.Fields) -> Source:
    """Read the object of the key "source"."""
    return Source(checkpoint=raw.text("checkpoint"), revision=raw.text("revision"), sha256=raw.text("sha256"))


def _files(raw: fields.Fields) -> dict[str, FileEntry]:
    entries: dict[str, FileEntry] = {}
    for name in raw:
        if Path(name).name != name or "\\" in name or "\0" in name:
            raise fields.FieldError(f"files names {name!r}, which is not a file of this folder.")
        entry = raw.object(name)
        entries[name] = FileEntry(entry.text("sha256", empty=False), entry.integer("bytes", at_least=0))
    if missing := [name for name in CONTENT if name not in entries]:
        raise fields.FieldError(f"files does not list {missing[0]}.")
    return entries
