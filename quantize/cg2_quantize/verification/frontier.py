"""The frontier: bits per weight of each format against its distance from the float32 network, measured and drawn."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.checkpoint.published_tokenizers import load_tokenizer
from cg2_quantize.checkpoint.scratch import scratch_folder
from cg2_quantize.checkpoint.sources import open_checkpoint
from cg2_quantize.convert import SPARE_BYTES, ConversionOptions, convert, max_bytes
from cg2_quantize.formats.kquants import MIXES, KQuants
from cg2_quantize.planning.machine import check_space
from cg2_quantize.verification.comparison import measure_rows, run_through
from cg2_quantize.verification.heldout import make_heldout_rows
from cg2_quantize.verification.piecewise import PiecewiseNetwork, TokenRows
from cg2_quantize.verification.reference import build_reference_network
from cg2ls.models.folder.description import WEIGHTS, ModelDescription

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.verification.comparison import Measures
    from cg2ls.models.codegen2 import Checkpoint


FORMATS = ("int8", "int6", "int6 --calibrate", "int4", "int4 --calibrate", "nf4")
"""Our formats on the frontier, with the option that changes them."""

MATRIX = re.compile(r"model\.layers\.\d+\.\w+\.\w+\.weight|lm_head\.weight|model\.embed_tokens\.weight")
"""Matrices of the float32 graph; norms and biases have fewer parts or other names."""

BASELINE = "Q4_K_M"
"""Format that others are compared with in pairs, document by document."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One format.

    Attributes:
        name: format and option, or llama.cpp's name.
        bits_per_weight: bits of all weights per parameter.
        kl: mean KL divergence from the float32 network by document, nats per token.
        agreement: share of tokens with the same likeliest token, by document.
        runs: whether the model itself ran, with rounded activations; False for rounded weights in float32.
    """

    name: str
    bits_per_weight: float
    kl: tuple[float, ...]
    agreement: tuple[float, ...]
    runs: bool

    @property
    def kl_mean(self) -> float:
        """Mean over documents."""
        return float(np.mean(self.kl))

    @property
    def kl_error(self) -> float:
        """Standard error of the mean over documents."""
        return _standard_error(self.kl)

    def kl_less_than(self, other: Point) -> tuple[float, float]:
        """Return the mean paired difference from another format, and its standard error over documents."""
        pairs = [mine - its for mine, its in zip(self.kl, other.kl, strict=True)]
        return float(np.mean(pairs)), _standard_error(pairs)


def measure_frontier(
    folder: Path,
    *,
    tokens: int,
    formats: Sequence[str] = FORMATS,
    ggml: Path | None = None,
    eight_bits: tuple[str, ...] = (),
) -> Iterator[Point]:
    """Measure formats of one checkpoint, one after the other; each row of text counts as a document.

    Args:
        folder: the checkpoint.
        tokens: tokens of held-out code.
        formats: names of `FORMATS`.
        eight_bits: matrices in eight bits, for formats with "--eight-bits" in their name.
        ggml: library that rounds to llama.cpp's k-quants; None to leave them out.

    Raises:
        Cg2Error: the checkpoint cannot be converted, or the library cannot be used.
    """
    checkpoint = open_checkpoint(folder)
    tokenizer = load_tokenizer(folder, None, checkpoint.config.vocab_size)
    rows = make_heldout_rows(tokenizer, checkpoint.config.n_positions, tokens)
    network = build_reference_network(checkpoint)
    reference = _run(checkpoint, network, rows)
    for name in MIXES if ggml is not None else ():
        rounding = KQuants(ggml, name, checkpoint.config.n_layer) if ggml is not None else None
        if rounding is not None:
            yield _measure_kquants(checkpoint, network, reference, rounding)
    for name in formats:
        precision, *words = name.split()
        options = ConversionOptions(
            precision=precision,
            calibrated="--calibrate" in words,
            eight_bits=eight_bits if "--eight-bits" in words else (),
            untrained=True,
        )
        with scratch_folder() as scratch:
            need = max_bytes(checkpoint.config, options.select_format()) + SPARE_BYTES
            check_space(scratch, need, other="set TMPDIR to a folder on another disk")
            convert(folder, scratch / "model", options)
            about = ModelDescription.read(scratch / "model")
            converted = PiecewiseNetwork.of_folder(scratch / "model", checkpoint.config.n_layer)
            measured = measure_rows(reference, run_through(converted, about, rows))
            bits = 8 * (scratch / "model" / WEIGHTS).stat().st_size / checkpoint.config.n_parameters
        yield _point(name, bits, measured, runs=True)


def _measure_kquants(
    checkpoint: Checkpoint, network: PiecewiseNetwork, reference: TokenRows, rounding: KQuants
) -> Point:
    def weight(name: str) -> npt.NDArray[np.generic]:
        values = network.weight(name)
        is_matrix = values.ndim == 2 and MATRIX.fullmatch(name)
        return rounding.restore(name, np.asarray(values, np.float32)) if is_matrix else values

    side = _run(checkpoint, replace(network, weight=weight), list(reference.tokens))
    measured = measure_rows(reference, side)
    vectors = 32 * (checkpoint.config.n_parameters - _matrix_weights(checkpoint))
    bits = (rounding.bits + vectors) / checkpoint.config.n_parameters
    return _point(rounding.mix, bits, measured, runs=False)


def _matrix_weights(checkpoint: Checkpoint) -> int:
    """Return the number of weights in matrices."""
    return sum(
        checkpoint.tensor(name).size for name in checkpoint.names() if checkpoint.tensor(name).ndim == 2
    )


def _run(
    checkpoint: Checkpoint, network: PiecewiseNetwork, rows: Sequence[npt.NDArray[np.int64]]
) -> TokenRows:
    config = checkpoint.config
    side = TokenRows(network, (config.kv_heads, config.head_dim), "float32", np.stack(rows))
    side.embed()
    for layer in range(config.n_layer):
        side.block(layer)
    return side


def _point(name: str, bits: float, measured: Sequence[Measures], *, runs: bool) -> Point:
    return Point(
        name=name,
        bits_per_weight=bits,
        kl=tuple(one.kl_mean for one in measured),
        agreement=tuple(one.top1_agreement for one in measured),
        runs=runs,
    )


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 20, 50
"""Pixels of the picture and its margins."""

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.axis{stroke:#999}.ours{fill:#2a6fb0}"
    ".theirs{fill:#c0632a}.whisker{stroke:#888}"
)


def render_frontier(points: Sequence[Point]) -> str:
    """Render bits per weight against mean KL divergence, on a logarithmic scale, with two standard errors."""
    bits = [point.bits_per_weight for point in points]
    least, most = math.floor(min(bits)), math.ceil(max(bits))
    powers = [math.log10(max(point.kl_mean, 1e-9)) for point in points]
    low, high = math.floor(min(powers)), math.ceil(max(powers) + 1e-9)

    def x(value: float) -> float:
        return LEFT + (value - least) / max(1, most - least) * (WIDTH - LEFT - RIGHT)

    def y(kl: float) -> float:
        power = min(max(math.log10(max(kl, 1e-9)), low), high)
        return TOP + (high - power) / max(1, high - low) * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><style>{STYLE}</style>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path class="axis" fill="none" d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">bits per weight</text>',
    ]
    turned = f'transform="rotate(-90 16 {HEIGHT / 2:.0f})" text-anchor="middle"'
    lines.append(f'<text x="16" y="{HEIGHT / 2:.0f}" {turned}>mean KL divergence, nats</text>')
    for value in range(least, most + 1):
        at = f'x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        lines.append(f'<text {at} text-anchor="middle">{value}</text>')
    lines += [
        f'<text x="{LEFT - 8}" y="{y(10.0**power) + 4:.1f}" text-anchor="end">1e{power}</text>'
        for power in range(low, high + 1)
    ]
    for point in points:
        across, up = x(point.bits_per_weight), y(point.kl_mean)
        ends = y(point.kl_mean + 2 * point.kl_error), y(max(point.kl_mean - 2 * point.kl_error, 1e-9))
        lines.append(f'<path class="whisker" d="M{across:.1f},{ends[0]:.1f} V{ends[1]:.1f}"/>')
        kind = "ours" if point.runs else "theirs"
        lines.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="4"/>')
        lines.append(f'<text x="{across + 8:.1f}" y="{up + 4:.1f}">{escape(point.name)}</text>')
    return "\n".join([*lines, "</svg>", ""])
