"""Which matrices lose most by four bits, and which of them to keep in eight.

The network in eight bits is the reference. In turn, one matrix is rounded to four bits and the network's answers are
compared. Losses of several matrices add up about, so a plan takes those with the largest loss per extra bit first.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.checkpoint.published_tokenizers import load_tokenizer
from cg2_quantize.checkpoint.sources import open_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats.rounding import restore_blocks, round_blocks
from cg2_quantize.verification.comparison import measure_rows
from cg2_quantize.verification.heldout import make_heldout_rows
from cg2_quantize.verification.piecewise import TokenRows
from cg2_quantize.verification.reference import build_reference_network
from cg2ls.models.int4 import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.verification.piecewise import PiecewiseNetwork


@dataclass(frozen=True, kw_only=True)
class MatrixLoss:
    """One matrix of a block.

    Attributes:
        name: such as "model.layers.0.attn.qkv_proj".
        weights: number of its weights.
        kl: mean KL divergence by document with this matrix in four bits from the network in eight, nats per token.
    """

    name: str
    weights: int
    kl: tuple[float, ...]

    @property
    def kl_mean(self) -> float:
        """Mean over documents."""
        return float(np.mean(self.kl))


def measure_sensitivity(folder: Path, *, tokens: int) -> Iterator[MatrixLoss]:
    """Measure the matrices of a checkpoint's blocks, one after the other.

    Args:
        folder: the checkpoint.
        tokens: tokens of held-out code; each row of text counts as a document.

    Raises:
        Cg2Error: the checkpoint cannot be read.
    """
    checkpoint = open_checkpoint(folder)
    config = checkpoint.config
    tokenizer = load_tokenizer(folder, None, config.vocab_size)
    rows = np.stack(make_heldout_rows(tokenizer, config.n_positions, tokens))
    plain = build_reference_network(checkpoint, moves_norms=True)
    eight = _round_matrices(plain, "")
    heads = (config.kv_heads, config.head_dim)
    reference = TokenRows(eight, heads, "float32", rows)
    reference.embed()
    before = []
    for layer in range(config.n_layer):
        before.append(reference.values)
        reference.block(layer)
    for layer in range(config.n_layer):
        for name in sorted(_list_matrices(plain, layer)):
            changed = TokenRows(_round_matrices(plain, name), heads, "float32", rows, before[layer])
            for later in range(layer, config.n_layer):
                changed.block(later)
            kl = tuple(measured.kl_mean for measured in measure_rows(reference, changed))
            yield MatrixLoss(name=name.removesuffix(".weight"), weights=plain.weight(name).size, kl=kl)


def _round_matrices(network: PiecewiseNetwork, in_four: str) -> PiecewiseNetwork:
    """Return the network with its blocks' matrices in eight bits, one of them in four."""
    matrices = {name for layer in range(network.n_layer) for name in _list_matrices(network, layer)}

    def weight(name: str) -> npt.NDArray[np.generic]:
        values = network.weight(name)
        if name not in matrices:
            return values
        blocks = round_blocks(values, bits=4 if name == in_four else 8, block_size=BLOCK_SIZE)
        return restore_blocks(blocks)

    return replace(network, weight=weight)


def _list_matrices(network: PiecewiseNetwork, layer: int) -> list[str]:
    """Return the names of a block's matrices in the float32 graph."""
    start = f"model.layers.{layer}."
    tensors = network.graph.graph.initializer
    return [tensor.name for tensor in tensors if tensor.name.startswith(start) and len(tensor.dims) == 2]


def choose_eight_bits(losses: Sequence[MatrixLoss], *, share: float) -> list[MatrixLoss]:
    """Choose the matrices to keep in eight bits: the largest losses per weight first.

    Args:
        losses: all matrices.
        share: share of the blocks' weights that may have eight bits, 0 to 1.
    """
    room = share * sum(loss.weights for loss in losses)
    chosen = []
    for loss in sorted(losses, key=lambda loss: loss.kl_mean / loss.weights, reverse=True):
        if loss.weights <= room:
            room -= loss.weights
            chosen.append(loss)
    return chosen


@dataclass(frozen=True)
class MixedPlan:
    """A file that `--eight-bits` reads.

    Attributes:
        eight_bits: names of the matrices in eight bits.
        expected_kl: sum of the losses of the other matrices, nats per token.
    """

    eight_bits: tuple[str, ...]
    expected_kl: float

    @classmethod
    def of(cls, losses: Sequence[MatrixLoss], *, share: float) -> MixedPlan:
        """Make the plan of `choose_eight_bits`."""
        chosen = {loss.name for loss in choose_eight_bits(losses, share=share)}
        rest = sum(loss.kl_mean for loss in losses if loss.name not in chosen)
        return cls(tuple(loss.name for loss in losses if loss.name in chosen), rest)

    def to_dict(self) -> dict[str, object]:
        """Return the object of the file."""
        return asdict(self)


def read_mixed_plan(path: Path) -> tuple[str, ...]:
    """Read the names of matrices in eight bits from a plan.

    Raises:
        QuantizeError: the file is no plan.
    """
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["eight_bits"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise QuantizeError(
            f"{path} is not a plan of `cg2-quantize sensitivity` ({error}); write one with its option -o."
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise QuantizeError(
            f"{path}: eight_bits must be a list of names; write it with `cg2-quantize sensitivity`."
        )
    return tuple(names)
