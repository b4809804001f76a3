"""Growth of a model: a larger model that computes the same function, as a start for further training.

Depth grows as in Net2Net (Chen et al. 2016, arXiv 1511.05641): a new block adds nothing to the residual until training
changes its output projections from zero. Width grows by a whole factor: every channel, head and hidden unit is copied
equally often, so that a layer norm keeps its mean and variance. The weights that read the copies are divided among them
unevenly, so that the copies diverge in training (LEMON, Wang et al. 2024, arXiv 2310.07999).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cg2_training.errors import TrainingError
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.tensor_layout import fuse_qkv, split_qkv
from cg2ls.models.folder.facts import Facts

Float32 = npt.NDArray[np.float32]

GROW_SEED = 1234

BLOCK = re.compile(r"transformer\.h\.(\d+)\.(.+)")

RESIDUAL_OUTPUTS = ("attn.out_proj.weight", "mlp.fc_out.weight", "mlp.fc_out.bias")
"""Tensors of a block that, if zero, let it add nothing to the residual."""


def grow(
    source: Checkpoint,
    out: Path,
    *,
    n_layer: int | None = None,
    n_embd: int | None = None,
    context: int | None = None,
    name: str = "",
) -> CodeGenConfig:
    """Write a larger checkpoint with the source's logits, up to the last bits of float32.

    Args:
        source: checkpoint to grow.
        out: checkpoint to write; an existing one is replaced.
        n_layer: blocks of the new model; None keeps the number.
        n_embd: width of the new model, a multiple of the old one; None keeps the width.
        context: maximum sequence length of the new model; None keeps it.
        name: name of the new model; empty for the old name and the new shape.

    Returns:
        The new model's shape.

    Raises:
        TrainingError: the new shape cannot represent the old model's function.
    """
    config = grow_config(source.config, n_layer=n_layer, n_embd=n_embd, context=context)
    rng = np.random.default_rng(GROW_SEED)
    tokenizer = CodeTokenizer.load(source.tokenizer_path)
    facts = Facts.read(source.folder)
    write_checkpoint(
        out,
        config,
        dict(_grown_tensors(source, config, rng)),
        tokenizer.to_json(),
        end_of_text_id=tokenizer.special.end_of_text,
    )
    named = name or f"{facts.name or source.folder.name}-{config.n_layer}x{config.n_embd}"
    replace(facts, name=named, quality={}).write(out)
    return config


def grow_config(
    config: CodeGenConfig, *, n_layer: int | None, n_embd: int | None, context: int | None
) -> CodeGenConfig:
    """Return the shape of the larger model; heads keep their size, so their number grows.

    Raises:
        TrainingError: a number is below the old one, or the width is not a multiple of the old one.
    """
    options = {"n_layer": n_layer, "n_embd": n_embd, "n_positions": context}
    new_shape = {key: value for key, value in options.items() if value is not None}
    for key, value in new_shape.items():
        if value < getattr(config, key):
            option = {"n_layer": "--n-layer", "n_embd": "--n-embd", "n_positions": "--context"}[key]
            raise TrainingError(
                f"{option} {value} is less than the current {getattr(config, key)};"
                " choose at least that, since a model can only grow."
            )
    width = new_shape.get("n_embd", config.n_embd)
    times, rest = divmod(width, config.n_embd)
    if rest:
        raise TrainingError(
            f"--n-embd {width} is not a multiple of {config.n_embd}, but a layer norm keeps its mean only if every"
            f" channel is copied equally often; choose {(times + 1) * config.n_embd}."
        )
    return replace(
        config,
        n_layer=new_shape.get("n_layer", config.n_layer),
        n_positions=new_shape.get("n_positions", config.n_positions),
        n_embd=width,
        n_head=times * config.n_head,
        n_inner=times * config.n_inner,
    )


def _grown_tensors(
    source: Checkpoint, config: CodeGenConfig, rng: np.random.Generator
) -> Iterator[tuple[str, Float32]]:
    """Yield every tensor of the larger model by its published name."""
    times = config.n_embd // source.config.n_embd
    origins = block_origins(source.config.n_layer, config.n_layer)
    for layer, (origin, new) in enumerate(origins):
        for name in source.names():
            if (match := BLOCK.fullmatch(name)) and int(match[1]) == origin:
                tensor = widen(match[2], source.tensor(name), times, source.config.qkv_groups, rng)
                is_zero = new and match[2] in RESIDUAL_OUTPUTS
                yield f"transformer.h.{layer}.{match[2]}", np.zeros_like(tensor) if is_zero else tensor
    for name in source.names():
        if not BLOCK.fullmatch(name):
            yield name, widen(name, source.tensor(name), times, source.config.qkv_groups, rng)


def block_origins(old: int, new: int) -> list[tuple[int, bool]]:
    """Return the source block of every block of the deeper model, and whether the block is new.

    New blocks are spread evenly; each follows the block that it copies.
    """
    origins = [layer * old // new for layer in range(new)]
    return [(origin, layer > 0 and origins[layer - 1] == origin) for layer, origin in enumerate(origins)]


def widen(name: str, tensor: Float32, times: int, groups: int, rng: np.random.Generator) -> Float32:
    """Widen one tensor.

    Args:
        name: name of the tensor, without the number of its block.
        tensor: [outputs, inputs], or a vector.
        times: new width over old width.
        groups: groups of the fused query, key and value.
        rng: random generator for dividing weights among copies.
    """
    if times == 1 or name == "lm_head.bias":
        return tensor
    if tensor.ndim == 1:
        return np.tile(tensor, times)
    if name == "transformer.wte.weight":
        return np.tile(tensor, (1, times))
    if name == "lm_head.weight":
        return _divide_inputs(tensor, times, rng)
    if name == "attn.qkv_proj.weight":
        query, key, value = (_copy_outputs(part, times, rng) for part in split_qkv(tensor, groups))
        return np.asarray(fuse_qkv(query, key, value, groups), np.float32)
    return _copy_outputs(tensor, times, rng)


def _copy_outputs(matrix: npt.NDArray[np.floating], times: int, rng: np.random.Generator) -> Float32:
    """Copy every output, and divide the weights of the inputs separately in each copy."""
    return _divide_inputs(np.tile(matrix, (times, 1)), times, rng)


def _divide_inputs(matrix: npt.NDArray[np.floating], times: int, rng: np.random.Generator) -> Float32:
    """Return a matrix for copied inputs [outputs, times * inputs], with each weight divided among its input's copies.

    The parts are equal except for noise that sums to zero. Its size gives the weights the spread of an initialization
    at the new width (variance over `times`).
    """
    parts = rng.normal(0.0, matrix.std() / times**0.5, (times, *matrix.shape))
    parts -= parts.mean(axis=0)
    parts += matrix / times
    return np.concatenate(list(parts), axis=1).astype(np.float32)
