"""Checkpoints on the hub that are known to convert, and the format in which this machine can run each.

`SOURCES` is the table. A row needs the name, the licence and the published shape; everything else is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cg2_quantize.checkpoint.sources import choose_context
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats import select_format
from cg2_quantize.planning.machine import Machine, inspect_machine
from cg2_quantize.planning.plan import PlanRequest, make_plan
from cg2ls.commandline import aligned
from cg2ls.jsontext import json_text
from cg2ls.models.codegen2.config import CODEGEN25, LLAMA, QWEN2, CodeGenConfig
from cg2ls.models.codegen2.rotary import RotaryScaling

LISTED_FORMATS = ("int8", "int4")
"""Formats whose sizes the list shows, besides the download."""

FLOAT32_BYTES = 4
HALF_BYTES = 2

OWN, OTHERS = "network, prompt, tokenizer", "network, prompt"
"""What was compared with the publisher's here, on random weights (docs/reference/models.md)."""


@dataclass(frozen=True, kw_only=True)
class KnownSource:
    """One repository on the hub.

    Attributes:
        name: "owner/name".
        license: as its card states it.
        config: published shape.
        bytes_per_weight: of the published files, at most.
        verified: what was compared with the publisher's here.
        quality: what is known of its answers, with the source; "" where nothing was looked up.
        infill: what `--infill` must say, where the tokenizer does not say it.
    """

    name: str
    license: str
    config: CodeGenConfig
    bytes_per_weight: int = FLOAT32_BYTES
    verified: str = OWN
    quality: str = ""
    infill: str = ""

    @property
    def parameters(self) -> int:
        """Parameters as published; a tied head is not counted."""
        config = self.config
        return config.n_parameters - config.tied * config.vocab_size * config.n_embd


def make_codegen2_shape(layers: int, width: int, heads: int, groups: int) -> CodeGenConfig:
    """Return the configuration of a published CodeGen2 from the numbers that differ between its sizes."""
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


def _open(sizes: tuple[int, int, int, int, int, int], family: str, **other: Any) -> CodeGenConfig:
    """Return a shape; `sizes` are layers, width, heads, heads of keys and values, width of the MLP, vocabulary."""
    layers, width, heads, kv_heads, inner, vocabulary = sizes
    return CodeGenConfig(
        n_layer=layers,
        n_embd=width,
        n_head=heads,
        n_kv_head=None if kv_heads == heads else kv_heads,
        rotary_dim=width // heads,
        vocab_size=vocabulary,
        n_inner=inner,
        qkv_groups=1,
        layer_norm_epsilon=1e-6,
        family=family,
        **other,
    )


def _qwen(size: str, license_: str, *sizes: int, tied: bool) -> KnownSource:
    layers, width, heads, kv_heads, inner, vocabulary = sizes
    shape = (layers, width, heads, kv_heads, inner, vocabulary)
    return KnownSource(
        name=f"Qwen/Qwen2.5-Coder-{size}",
        license=license_,
        config=_open(shape, QWEN2, rotary_base=1e6, n_positions=32768, tied=tied),
        bytes_per_weight=HALF_BYTES,
        verified=OTHERS,
        quality="arXiv 2409.12186",
    )


def _deepseek(size: str, *sizes: int) -> KnownSource:
    layers, width, heads, kv_heads, inner = sizes
    scaling = RotaryScaling(kind="linear", factor=4.0)
    shape = (layers, width, heads, kv_heads, inner, 32256)
    return KnownSource(
        name=f"deepseek-ai/deepseek-coder-{size}-base",
        license="DeepSeek",
        config=_open(shape, LLAMA, rotary_base=1e5, rotary_scaling=scaling, n_positions=16384),
        bytes_per_weight=HALF_BYTES,
        verified=OTHERS,
        quality="arXiv 2401.14196",
    )


def _salesforce(size: str, percent: float, *sizes: int) -> KnownSource:
    return KnownSource(
        name=f"Salesforce/codegen2-{size}_P",
        license="Apache-2.0",
        config=make_codegen2_shape(*sizes),
        quality=f"HumanEval {percent} % (EvalPlus)",
    )


SOURCES = (
    _salesforce("1B", 11.0, 16, 2048, 16, 8),
    _salesforce("3_7B", 15.9, 16, 4096, 16, 8),
    _salesforce("7B", 18.3, 32, 4096, 16, 4),
    _salesforce("16B", 19.5, 34, 6144, 24, 4),
    KnownSource(name="Salesforce/codegen25-7b-multi_P", license="Apache-2.0", config=_CODEGEN25),
    KnownSource(name="Salesforce/codegen25-7b-mono_P", license="Apache-2.0", config=_CODEGEN25),
    KnownSource(name="Salesforce/codegen25-7b-instruct_P", license="other (research)", config=_CODEGEN25),
    _qwen("0.5B", "Apache-2.0", 24, 896, 14, 2, 4864, 151936, tied=True),
    _qwen("1.5B", "Apache-2.0", 28, 1536, 12, 2, 8960, 151936, tied=True),
    _qwen("3B", "Qwen Research (not commercial)", 36, 2048, 16, 2, 11008, 151936, tied=True),
    _qwen("7B", "Apache-2.0", 28, 3584, 28, 4, 18944, 152064, tied=False),
    _qwen("14B", "Apache-2.0", 48, 5120, 40, 8, 13824, 152064, tied=False),
    KnownSource(
        name="JetBrains/Mellum-4b-base",
        license="Apache-2.0",
        config=_open((30, 3072, 24, 24, 8256, 98304), LLAMA, rotary_base=5e5, n_positions=8192),
        bytes_per_weight=HALF_BYTES,
        verified=OTHERS,
        quality="infilling of lines 66.2 % (its card)",
        infill="spm:<fim_prefix>,<fim_suffix>,<fim_middle>",
    ),
    _deepseek("1.3b", 24, 2048, 16, 16, 5504),
    _deepseek("6.7b", 32, 4096, 32, 32, 11008),
)
"""Published checkpoints, CodeGen2's first. Shapes are from their config.json files; sizes are computed from them."""


def find_infill(name: str) -> str:
    """Return the value of `--infill` for a repository; "" if its tokenizer defines the layout."""
    return next((source.infill for source in SOURCES if source.name == name), "")


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
    config = replace(source.config, n_positions=choose_context(source.config, None))
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
        download=source.bytes_per_weight * source.parameters,
        formats=sizes,
        here=here,
        context=context,
        card=card,
    )


def print_sources(*, as_json: bool) -> None:
    """Print the known checkpoints on the hub, and what this machine can run, as a table or JSON."""
    machine = inspect_machine()
    rows = list_sources(machine)
    if as_json:
        print(
            json_text(
                [
                    {
                        "name": row.source.name,
                        "license": row.source.license,
                        "parameters": row.source.parameters,
                        "download_bytes": row.download,
                        "format_bytes": row.formats,
                        "here": row.here,
                        "context": row.context,
                        "max_context": row.source.config.n_positions,
                        "verified": row.source.verified,
                        "quality": row.source.quality,
                    }
                    for row in rows
                ],
                indent=2,
            )
        )
        return
    head = (
        "name",
        "parameters",
        "licence",
        "download",
        *LISTED_FORMATS,
        "this machine runs",
        "verified",
        "quality",
    )
    cells = [
        (
            row.source.name,
            f"{row.source.parameters / 1e9:.2f} B",
            row.source.license,
            f"{row.download / 1e9:.1f} GB",
            *(f"{row.formats[name] / 1e9:.1f} GB" for name in LISTED_FORMATS),
            f"{row.here}{' on the card' * row.card}, {row.context} tokens" if row.here else "none of them",
            row.source.verified,
            row.source.quality or "not looked up",
        )
        for row in rows
    ]
    print(aligned([head, *cells], right={1, 3, *range(4, 4 + len(LISTED_FORMATS))}))
    free = f"{machine.memory / 1e9:.1f} GB of memory"
    card = f", {machine.gpu / 1e9:.1f} GB on {machine.gpu_name}" if machine.gpu else ""
    print(f"Sizes are upper bounds. Free on this machine: {free}{card}.")
    print(
        "Verified: what was compared with the publisher's on random weights; nobody measured the quality here."
    )
