"""Comparison of two models over the same tokens, with one layer of each in memory at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.heldout import make_heldout_rows
from cg2_quantize.verification.piecewise import CHUNK_TOKENS, PiecewiseNetwork, TokenRows
from cg2_quantize.verification.report import KEYS, REPORT
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription
from cg2ls.models.folder.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.verification.piecewise import Piece
    from cg2ls.models.codegen2 import CodeGenConfig
    from cg2ls.models.folder.description import ModelDescription

MAX_EXPONENT_NATS = 700.0
"""Larger exponents overflow a float."""


@dataclass
class Measures:
    """Per token: KL divergence in nats, agreement on the likeliest token, losses of both in nats.

    Attributes:
        kl: D(reference || model), as llama.cpp's perplexity tool reports it.
        agrees: whether both find the same token likeliest.
        reference_loss: -log p(next token) under the reference.
        loss: -log p(next token) under the model.
        ends: number of parts in the lists above at the end of each document.
    """

    kl: list[Float32] = field(default_factory=list)
    agrees: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    reference_loss: list[Float32] = field(default_factory=list)
    loss: list[Float32] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, reference: Float32, logits: Float32, following: npt.NDArray[np.int64]) -> None:
        """Add logits [tokens, vocabulary] of both, and the tokens that followed."""
        expected, found = log_softmax(reference), log_softmax(logits)
        self.kl.append(np.einsum("tv,tv->t", np.exp(expected), expected - found))
        self.agrees.append(reference.argmax(axis=1) == logits.argmax(axis=1))
        index = following[:, None]
        self.reference_loss.append(-np.take_along_axis(expected, index, 1)[:, 0])
        self.loss.append(-np.take_along_axis(found, index, 1)[:, 0])

    def values(self, name: str) -> Float32:
        """Return all tokens' values of one attribute."""
        return np.concatenate(getattr(self, name)).astype(np.float32)

    @property
    def kl_mean(self) -> float:
        """Mean KL divergence, nats."""
        return float(self.values("kl").mean(dtype=np.float64))

    @property
    def kl_p99(self) -> float:
        """99th percentile of the KL divergence, nats."""
        return float(np.quantile(self.values("kl"), 0.99))

    @property
    def top1_agreement(self) -> float:
        """Share of tokens for which both find the same token likeliest."""
        return float(self.values("agrees").mean(dtype=np.float64))

    @property
    def perplexity_ratio(self) -> float:
        """The model's perplexity over the reference's."""
        difference = self.values("loss").astype(np.float64) - self.values("reference_loss")
        return float(np.exp(min(difference.mean(), MAX_EXPONENT_NATS)))

    @property
    def tokens(self) -> int:
        """Number of tokens compared."""
        return sum(map(len, self.kl))

    def end_document(self) -> None:
        """Record that the tokens of one document have been added."""
        self.ends.append(len(self.kl))

    def document_means(self, name: str) -> list[float]:
        """Return the mean of one attribute in each document."""
        parts: list[Float32] = getattr(self, name)
        starts = [0, *self.ends]
        return [
            float(np.concatenate(parts[a:b]).mean(dtype=np.float64))
            for a, b in zip(starts, self.ends, strict=False)
        ]

    def standard_error(self, name: str) -> float:
        """Return the standard error of one attribute's mean over documents; 0 for one document.

        Tokens of one document are alike, so they do not count as independent.
        """
        means = self.document_means(name)
        return float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0


def log_softmax(logits: Float32) -> Float32:
    """Compute log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


@dataclass(frozen=True)
class NetworkComparison:
    """Comparison of two networks.

    Attributes:
        measures: measures of the logits.
        layer_errors: relative error of the residual stream after each block but the last.
        tokens: the tokens read, int64 [rows, length].
    """

    measures: Measures
    layer_errors: tuple[float, ...]
    tokens: npt.NDArray[np.int64]


def compare_networks(
    config: CodeGenConfig,
    reference: PiecewiseNetwork,
    model: PiecewiseNetwork,
    kv: str,
    rows: Sequence[npt.NDArray[np.int64]],
) -> NetworkComparison:
    """Compare a checkpoint's reference and its model over rows of one length, in the engine's chunks."""
    tokens, heads = np.stack(rows), (config.kv_heads, config.head_dim)
    left = TokenRows(reference, heads, "float32", tokens)
    right = TokenRows(model, heads, kv, tokens, owner="the converted model")
    for side in (left, right):
        side.embed()
    errors = []
    for layer in range(config.n_layer):
        for side in (left, right):
            side.block(layer)
        if layer < config.n_layer - 1:
            errors.append(_relative_error(right.values[1], left.values[1]))
    return NetworkComparison(_measure_logits(left, right), tuple(errors), tokens)


def compare_models(
    first: tuple[PiecewiseNetwork, ModelDescription],
    second: tuple[PiecewiseNetwork, ModelDescription],
    rows: Sequence[npt.NDArray[np.int64]],
) -> Measures:
    """Compare any two models of one vocabulary, one after the other."""
    return _measure_logits(*(run_through(network, about, rows) for network, about in (first, second)))


def compute_row_logits(
    folder: Path, about: ModelDescription, rows: Sequence[npt.NDArray[np.int64]]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the logits [length, vocabulary] of every row in a model folder."""
    side = run_through(PiecewiseNetwork.of_folder(folder, about.architecture.n_layer), about, rows)
    head, length = side.network.head(), side.tokens.shape[1]
    for row in range(len(side.tokens)):
        parts = [(at, min(at + CHUNK_TOKENS, length)) for at in range(0, length, CHUNK_TOKENS)]
        yield np.concatenate([side.logits(head, row, at, end) for at, end in parts])


def run_through(
    network: PiecewiseNetwork, about: ModelDescription, rows: Sequence[npt.NDArray[np.int64]]
) -> TokenRows:
    """Run rows through all blocks of a network."""
    shape = about.architecture
    side = TokenRows(
        network,
        (shape.kv_heads, shape.head_dim),
        about.kv_dtype,
        np.stack(rows),
        owner=f"the model {about.name}",
    )
    side.embed()
    for layer in range(shape.n_layer):
        side.block(layer)
    return side


def measure_rows(left: TokenRows, right: TokenRows) -> list[Measures]:
    """Measure the logits of both, which have run through all blocks, each row by itself."""
    heads = [(side, side.network.head()) for side in (left, right)]
    found = [Measures() for _ in left.tokens]
    for row, measures in enumerate(found):
        _add_row(measures, heads, row)
    return found


def _measure_logits(left: TokenRows, right: TokenRows) -> Measures:
    """Measure the logits of both, chunk by chunk."""
    measures = Measures()
    heads = [(side, side.network.head()) for side in (left, right)]
    for row in range(len(left.tokens)):
        _add_row(measures, heads, row)
        measures.end_document()
    return measures


def _add_row(measures: Measures, heads: Sequence[tuple[TokenRows, Piece]], row: int) -> None:
    """Add the positions of one row."""
    tokens = heads[0][0].tokens[row]
    for at in range(0, len(tokens) - 1, CHUNK_TOKENS):
        end = min(at + CHUNK_TOKENS, len(tokens) - 1)
        reference, logits = (side.logits(head, row, at, end) for side, head in heads)
        measures.add(reference, logits, tokens[at + 1 : end + 1])


def compute_losses(
    config: CodeGenConfig, networks: Sequence[PiecewiseNetwork], rows: Sequence[npt.NDArray[np.int64]]
) -> list[Float32]:
    """Compute -log p of every next token in each network, nats; all networks advance layer by layer together."""
    heads = (config.kv_heads, config.head_dim)
    sides = [TokenRows(network, heads, "float32", np.stack(rows)) for network in networks]
    for side in sides:
        side.embed()
    for layer in range(config.n_layer):
        for side in sides:
            side.block(layer)
    return [_compute_row_losses(side) for side in sides]


def _compute_row_losses(side: TokenRows) -> Float32:
    head, found = side.network.head(), []
    for index, row in enumerate(side.tokens):
        for at in range(0, len(row) - 1, CHUNK_TOKENS):
            end = min(at + CHUNK_TOKENS, len(row) - 1)
            expected = log_softmax(side.logits(head, index, at, end))
            found.append(-np.take_along_axis(expected, row[at + 1 : end + 1, None], 1)[:, 0])
    return np.concatenate(found)


def _relative_error(found: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> float:
    difference = np.linalg.norm(np.asarray(found, np.float32) - np.asarray(expected, np.float32))
    return float(difference / max(float(np.linalg.norm(np.asarray(expected, np.float32))), 1e-30))


def compare_folders(folders: Sequence[Path], tokens: int) -> list[dict[str, Any]]:
    """Compare model folders: the figures of their reports, and their distance from the first folder.

    Args:
        folders: model folders; their files are verified.
        tokens: number of tokens of held-out code to compare over; 0 for none.

    Raises:
        ModelFolderError: a folder is damaged.
        QuantizeError: their tokenizers or shapes differ, or one was written by an older cg2-quantize.
    """
    models = [verify_folder(folder) for folder in folders]
    columns = []
    for folder, model in zip(folders, models, strict=True):
        column: dict[str, Any] = {"model": model.name, "folder": str(folder), "format": model.precision}
        column["bytes"] = sum(entry.bytes for entry in model.files.values())
        columns.append(column | {key: value for key, value in _read_report(folder).items() if key in KEYS})
    for index in range(1, len(folders) if tokens else 0):
        columns[index] |= _distance(folders[0], models[0], folders[index], models[index], tokens)
    return columns


def _distance(
    first: Path, base: ModelDescription, folder: Path, model: ModelDescription, tokens: int
) -> dict[str, float]:
    if (first / TOKENIZER).read_bytes() != (folder / TOKENIZER).read_bytes():
        raise QuantizeError(f"{first} and {folder} have different tokenizers; compare with --tokens 0.")
    tokenizer = CodeTokenizer.load(folder / TOKENIZER, model.tokens)
    rows = make_heldout_rows(tokenizer, min(base.context_length, model.context_length), tokens)
    networks = [
        (PiecewiseNetwork.of_folder(place, about.architecture.n_layer), about)
        for place, about in ((first, base), (folder, model))
    ]
    try:
        measures = compare_models(networks[0], networks[1], rows)
    except KeyError as missing:
        raise QuantizeError(
            f"{folder} was written by an older cg2-quantize ({missing}); convert it again."
        ) from None
    return {"KL to the first": measures.kl_mean, "top-1 as the first": measures.top1_agreement}


def _read_report(folder: Path) -> dict[str, Any]:
    try:
        raw = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
