"""Checkpoints on the hub that are known to convert, and what of each this machine can run.

`SOURCES` is the table. A row needs the name, the licence and the published shape; everything else is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import select_format
from cg2_quantize.planning.plan import PlanRequest, make_plan
from cg2ls.models.codegen2.config import CODEGEN25, CodeGenConfig

if TYPE_CHECKING:
    from cg2_quantize.planning.machine import Machine

LISTED_FORMATS = ("int8", "int4")
"""Formats whose sizes the list shows, besides the download."""

FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class KnownSource:
    """One repository on the hub.

    Attributes:
        name: "owner/name".
        license: as its card states it.
        config: published shape.
        bytes_per_weight: of the published files, at most.
    """

    name: str
    license: str
    config: CodeGenConfig
    bytes_per_weight: int = FLOAT32_BYTES


def _codegen2(layers: int, width: int, heads: int, groups: int) -> CodeGenConfig:
    return CodeGenConfig(
        n_layer=layers,
        n_embd=width,
        n_head=heads,
        rotary_dim=64,
        n_positions=2048,
        vocab_size=51200,
        n_inner=4 * width,
        qkv_groups=groups,
    )


_CODEGEN25 = CodeGenConfig(
    n_layer=32,
    n_embd=4096,
    n_head=32,
    rotary_dim=128,
    n_positions=2048,
    vocab_size=51200,
    n_inner=11008,
    qkv_groups=1,
    layer_norm_epsilon=1e-6,
    family=CODEGEN25,
)

SOURCES = (
    KnownSource(name="Salesforce/codegen2-1B_P", license="Apache-2.0", config=_codegen2(16, 2048, 16, 8)),
    KnownSource(name="Salesforce/codegen2-3_7B_P", license="Apache-2.0", config=_codegen2(16, 4096, 16, 8)),
    KnownSource(name="Salesforce/codegen2-7B_P", license="Apache-2.0", config=_codegen2(32, 4096, 16, 4)),
    KnownSource(name="Salesforce/codegen2-16B_P", license="Apache-2.0", config=_codegen2(34, 6144, 24, 4)),
    KnownSource(name="Salesforce/codegen25-7b-multi_P", license="Apache-2.0", config=_CODEGEN25),
    KnownSource(name="Salesforce/codegen25-7b-mono_P", license="Apache-2.0", config=_CODEGEN25),
    KnownSource(name="Salesforce/codegen25-7b-instruct_P", license="other (research)", config=_CODEGEN25),
)
"""Published checkpoints. Shapes are from their config.json files; sizes are computed from the shapes."""


@dataclass(frozen=True, kw_only=True)
class SourceSizes:
    """Sizes of one source in bytes, and what this machine can run.

    Attributes:
        source: the row of the table.
        download: the published weights, at most.
        formats: the weight file by format, at most.
        here: the format that `--format auto` would choose; "" if none fits.
        context: tokens of that choice; 0 if none fits.
        card: whether the choice is for an NVIDIA card.
    """

    source: KnownSource
    download: int
    formats: dict[str, int]
    here: str
    context: int
    card: bool


def list_sources(machine: Machine) -> list[SourceSizes]:
    """Compute the sizes of all known sources for a machine."""
    return [_measure(source, machine) for source in SOURCES]


def _measure(source: KnownSource, machine: Machine) -> SourceSizes:
    config = source.config
    ends = 2 * config.vocab_size * config.n_embd
    sizes = {name: select_format(name).max_bytes(config.n_parameters - ends, ends) for name in LISTED_FORMATS}
    try:
        plan = make_plan(config, machine, PlanRequest())
    except QuantizeError:
        here, context, card = "", 0, False
    else:
        here, context, card = plan.chosen.name, plan.context, plan.chosen.target == "cuda"
    return SourceSizes(
        source=source,
        download=source.bytes_per_weight * config.n_parameters,
        formats=sizes,
        here=here,
        context=context,
        card=card,
    )
