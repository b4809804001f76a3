"""A larger model that computes what a smaller one does, to train on from there instead of from nothing.

Depth as in Net2Net (Chen et al. 2016, arXiv 1511.05641): a new block adds nothing to the residual until training
moves its output projections from zero. Width by a whole factor: every channel, head and hidden unit is copied
equally often, so that the mean and variance of a layer norm stay what they were, and what reads the copies is
divided among them unevenly, so that they part ways in training (LEMON, Wang et al. 2024, arXiv 2310.07999).
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
"""A block's tensors without which it adds nothing to the residual."""


def grow(
    source: Checkpoint,
    out: Path,
    *,
    n_layer: int | None = None,
    n_embd: int | None = None,
    context: int | None = None,
    name: str = "",
) -> CodeGenConfig:
    """Write a larger checkpoint whose logits are the source's, up to the last bits of float32.

    Args:
        source: what to begin with.
        out: the checkpoint to make; one that is there is replaced.
        n_layer: blocks of the new model; None for as many as before.
        n_embd: width of the new model, a multiple of the old one; None for the same.
        context: longest sequence of the new model; None for the same.
        name: of the new model; empty for the old name and the new shape.

    Returns:
        The new model's shape.

    Raises:
        TrainingError: the new shape cannot hold the old model's function.
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
    """Return the shape of the larger model: heads keep their size, so there are more of them.

    Raises:
        TrainingError: a number is below the old one, or the width no multiple of it.
    """
    asked = {"n_layer": n_layer, "n_embd": n_embd, "n_positions": context}
    wanted = {key: value for key, value in asked.items() if value is not None}
    for key, value in wanted.items():
        if value < getattr(config, key):
            option = {"n_layer": "--n-layer", "n_embd": "--n-embd", "n_positions": "--context"}[key]
            raise TrainingError(
                f"{option} {value} is less than the {getattr(config, key)} there are, and a model can only grow."
            )
    width = wanted.get("n_embd", config.n_embd)
    times, rest = divmod(width, config.n_embd)
    if rest:
        raise TrainingError(
            f"--n-embd {width} is no multiple of {config.n_embd}: a layer norm's mean is kept only where every"
            f" channel is copied equally often; take {(times + 1) * config.n_embd}."
        )
    return replace(
        config,
        n_layer=wanted.get("n_layer", config.n_layer),
        n_positions=wanted.get("n_positions", config.n_positions),
        n_embd=width,
        n_head=times * config.n_head,
        n_inner=times * config.n_inner,
    )


def _grown_tensors(
    source: Checkpoint, config: CodeGenConfig, rng: np.random.Generator
) -> Iterator[tuple[str, Float32]]:
    """Return every tensor of the larger model by its published name."""
    times = config.n_embd // source.config.n_embd
    origins = block_origins(source.config.n_layer, config.n_layer)
    for layer, (origin, new) in enumerate(origins):
        for name in source.names():
            if (match := BLOCK.fullmatch(name)) and int(match[1]) == origin:
                tensor = widen(match[2], source.tensor(name), times, source.config.qkv_groups, rng)
                silent = new and match[2] in RESIDUAL_OUTPUTS
                yield f"transformer.h.{layer}.{match[2]}", np.zeros_like(tensor) if silent else tensor
    for name in source.names():
        if not BLOCK.fullmatch(name):
            yield name, widen(name, source.tensor(name), times, source.config.qkv_groups, rng)


def block_origins(old: int, new: int) -> list[tuple[int, bool]]:
    """For every block of the deeper model, the block it is copied from, and whether it is a silent copy.

    The new ones are spread evenly; each follows the block that it copies.
    """
    origins = [layer * old // new for layer in range(new)]
    return [(origin, layer > 0 and origins[layer - 1] == origin) for layer, origin in enumerate(origins)]


def widen(name: str, tensor: Float32, times: int, groups: int, rng: np.random.Generator) -> Float32:
    """One tensor of the wider model.

    Args:
        name: of the tensor, a block's without the block's number.
        tensor: [outputs, inputs], or a vector.
        times: new width over old.
        groups: of the fused query, key and value.
        rng: decides how copies share what reads them.
    """
    if times == 1 or name == "lm_head.bias":
        return tensor
    if tensor.ndim == 1:
        return np.tile(tensor, times)
    if name == "transformer.wte.weight":
        return np.tile(tensor, (1, times))
    if name == "lm_head.weight":
        return _shared(tensor, times, rng)
    if name == "attn.qkv_proj.weight":
        query, key, value = (_copied(part, times, rng) for part in split_qkv(tensor, groups))
        return np.asarray(fuse_qkv(query, key, value, groups), np.float32)
    return _copied(tensor, times, rng)


def _copied(matrix: npt.NDArray[np.floating], times: int, rng: np.random.Generator) -> Float32:
    """Return every output copied, and in each copy the inputs' weights divided anew."""
    return _shared(np.tile(matrix, (times, 1)), times, rng)


def _shared(matrix: npt.NDArray[np.floating], times: int, rng: np.random.Generator) -> Float32:
    """Return a matrix for copied inputs [outputs, times * inputs]: each weight divided among the copies of its input.

    The parts are equal but for noise that sums to zero, as large as gives the weights the spread that
    initialization has at the new width (variance over `times`).
    """
    parts = rng.normal(0.0, matrix.std() / times**0.5, (times, *matrix.shape))
    parts -= parts.mean(axis=0)
    parts += matrix / times
    return np.concatenate(list(parts), axis=1).astype(np.float32)
