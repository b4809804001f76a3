"""Two networks side by side over the same tokens, a layer of each in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.verification.measures import Measures, log_softmax
from cg2_quantize.verification.pieces import CHUNK, Network, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import CodeGenConfig
    from cg2ls.models.folder.description import ModelDescription


@dataclass(frozen=True)
class Streamed:
    """What was seen on the way.

    Attributes:
        measures: of the logits.
        layer_errors: relative error of the residual stream behind each block but the last.
        tokens: what was read, int64 [rows, length].
    """

    measures: Measures
    layer_errors: tuple[float, ...]
    tokens: npt.NDArray[np.int64]


def stream(
    config: CodeGenConfig,
    reference: Network,
    model: Network,
    kv: str,
    rows: Sequence[npt.NDArray[np.int64]],
) -> Streamed:
    """A checkpoint's reference and a model made of it, over rows of one length, in the engine's chunks."""
    tokens, heads = np.stack(rows), (config.n_head, config.head_dim)
    left = Rows(reference, heads, "float32", tokens)
    right = Rows(model, heads, kv, tokens, owner="the converted model")
    for side in (left, right):
        side.embed()
    errors = []
    for layer in range(config.n_layer):
        for side in (left, right):
            side.block(layer)
        if layer < config.n_layer - 1:
            errors.append(_relative(right.values[1], left.values[1]))
    return Streamed(_measured(left, right), tuple(errors), tokens)


def stream_models(
    first: tuple[Network, ModelDescription],
    second: tuple[Network, ModelDescription],
    rows: Sequence[npt.NDArray[np.int64]],
) -> Measures:
    """Any two models of one vocabulary, one after the other."""
    return _measured(*(_through(network, about, rows) for network, about in (first, second)))


def row_logits(
    folder: Path, about: ModelDescription, rows: Sequence[npt.NDArray[np.int64]]
) -> Iterator[npt.NDArray[np.float32]]:
    """Logits [length, vocabulary] of every row in a model folder."""
    side = _through(Network.of_folder(folder, about.architecture.n_layer), about, rows)
    head, length = side.network.head(), side.tokens.shape[1]
    for row in range(len(side.tokens)):
        parts = [(at, min(at + CHUNK, length)) for at in range(0, length, CHUNK)]
        yield np.concatenate([side.logits(head, row, at, end) for at, end in parts])


def _through(network: Network, about: ModelDescription, rows: Sequence[npt.NDArray[np.int64]]) -> Rows:
    """Rows behind the last block of a network."""
    shape = about.architecture
    side = Rows(
        network,
        (shape.n_head, shape.head_dim),
        about.kv_dtype,
        np.stack(rows),
        owner=f"the model {about.name}",
    )
    side.embed()
    for layer in range(shape.n_layer):
        side.block(layer)
    return side


def _measured(left: Rows, right: Rows) -> Measures:
    """Logits of both, chunk by chunk."""
    tokens, measures = left.tokens, Measures()
    heads = [(side, side.network.head()) for side in (left, right)]
    for row, at in ((row, at) for row in range(len(tokens)) for at in range(0, tokens.shape[1] - 1, CHUNK)):
        end = min(at + CHUNK, tokens.shape[1] - 1)
        logits = [side.logits(head, row, at, end) for side, head in heads]
        measures.add(logits[0], logits[1], tokens[row, at + 1 : end + 1])
    return measures


def losses(
    config: CodeGenConfig, networks: Sequence[Network], rows: Sequence[npt.NDArray[np.int64]]
) -> list[Float32]:
    """-log p of every next token in each network, nats; they go through the rows layer by layer together."""
    heads = (config.n_head, config.head_dim)
    sides = [Rows(network, heads, "float32", np.stack(rows)) for network in networks]
    for side in sides:
        side.embed()
    for layer in range(config.n_layer):
        for side in sides:
            side.block(layer)
    return [_losses(side) for side in sides]


def _losses(side: Rows) -> Float32:
    head, found = side.network.head(), []
    for index, row in enumerate(side.tokens):
        for at in range(0, len(row) - 1, CHUNK):
            end = min(at + CHUNK, len(row) - 1)
            expected = log_softmax(side.logits(head, index, at, end))
            found.append(-np.take_along_axis(expected, row[at + 1 : end + 1, None], 1)[:, 0])
    return np.concatenate(found)


def _relative(found: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> float:
    difference = np.linalg.norm(np.asarray(found, np.float32) - np.asarray(expected, np.float32))
    return float(difference / max(float(np.linalg.norm(np.asarray(expected, np.float32))), 1e-30))
