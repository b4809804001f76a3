"""What a run will need, before anything is spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cg2_training.model.flops import NOMINAL_PEAKS, flops_per_token
from cg2_training.run.recipe import Recipe

GIB = 1 << 30

GPU_GIB = {"H100": 80, "H200": 141, "A100": 80, "L40S": 48, "4090": 24}
"""Memory by GPU, of the larger version where there are two."""

ASSUMED_MFU = 0.40
"""Share of the data sheet's FLOP/s that lean trainers of such models reach (docs/reference/training.md names some)."""

STATE_BYTES = {"adamw": 8.0, "adamw8bit": 2.1, "muon": 4.0}
"""Of the optimizer, per parameter; Muon keeps one moment of the hidden matrices, which are most."""

MOST_EPOCHS = 4
"""Repeating data helps little beyond (Muennighoff et al. 2023, arXiv 2305.16264)."""

SPARE = 0.9
"""Share of a GPU's memory that a plan may fill; the rest is fragmentation and the libraries' own."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An estimate for one recipe.

    Attributes:
        parameters: of the model.
        tokens: seen in the whole run.
        flops: of the whole run, by the formula in `flops`.
        weights_gib: per GPU: working and master weights.
        gradients_gib: per GPU.
        optimizer_gib: per GPU: moments.
        activations_gib: per GPU, of one pass.
        total_gib: per GPU.
        gpu_gib: memory of one GPU.
        tokens_per_s: of all GPUs together, at `ASSUMED_MFU` or what was given.
        hours: of the whole run.
        epochs: how often each source is read; empty where the data is not known.
        warnings: what is wrong with it, each a sentence.
    """

    parameters: int
    tokens: int
    flops: float
    weights_gib: float
    gradients_gib: float
    optimizer_gib: float
    activations_gib: float
    total_gib: float
    gpu_gib: float
    tokens_per_s: float
    hours: float
    epochs: dict[str, float]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def make_plan(
    recipe: Recipe,
    *,
    gpu: str,
    gpus: int,
    mfu: float = ASSUMED_MFU,
    epochs: Mapping[str, float] | None = None,
) -> Plan:
    """Estimates memory, speed and time.

    Weights, gradients and moments are divided among the GPUs (FSDP2); activations are each GPU's own.

    Args:
        recipe: what to run.
        gpu: a name in `GPU_GIB`.
        gpus: how many.
        mfu: share of the data sheet's FLOP/s to assume.
        epochs: how often the run reads each source; None if not known.
    """
    config, run = recipe.model.config(), recipe.run
    count = config.n_parameters
    rows = min(run.rows_per_pass or run.rows_per_step, max(1, run.rows_per_step // gpus))
    states = (2 + 4, 2 + 4, STATE_BYTES[recipe.optimizer.name])
    weights, gradients, moments = (size * count / gpus / GIB for size in states)
    activations = rows * config.n_positions * _activation_bytes(recipe) / GIB
    tokens = run.steps * run.rows_per_step * config.n_positions
    flops = tokens * flops_per_token(config)
    speed = gpus * mfu * NOMINAL_PEAKS[gpu] / flops_per_token(config)
    total = weights + gradients + moments + activations
    return Plan(
        parameters=count,
        tokens=tokens,
        flops=flops,
        weights_gib=weights,
        gradients_gib=gradients,
        optimizer_gib=moments,
        activations_gib=activations,
        total_gib=total,
        gpu_gib=GPU_GIB[gpu],
        tokens_per_s=speed,
        hours=tokens / speed / 3600,
        warnings=tuple(_warnings(recipe, total, GPU_GIB[gpu], gpus, tokens, epochs or {})),
        epochs=dict(epochs or {}),
    )


def _activation_bytes(recipe: Recipe) -> float:
    """Bytes kept per token for the backward pass, in bfloat16 with a fused attention.

    A block keeps its input, the normed input, query, key, value, the attention's output, and the MLP's hidden layer
    before and after its activation: 14 widths. The head keeps logits in bfloat16 and float32 and their gradient.
    """
    model = recipe.model
    return 2 * 14 * model.n_embd * model.n_layer + model.vocab_size * (2 + 4 + 4)


def _warnings(
    recipe: Recipe, total: float, room: float, gpus: int, tokens: int, epochs: Mapping[str, float]
) -> list[str]:
    found = []
    if total > SPARE * room:
        found.append(
            f"{total:.1f} GiB are needed on each GPU, but {SPARE * room:.1f} of its {room} can be counted on:"
            " take more GPUs, or lower run.rows_per_pass."
        )
    if recipe.run.rows_per_step % gpus:
        found.append(
            f"run.rows_per_step is {recipe.run.rows_per_step}, which {gpus} GPUs cannot share evenly;"
            " make it a multiple."
        )
    found += [
        f"the run reads {name} {times:.1f} times; beyond {MOST_EPOCHS} epochs more repetition hardly helps: take more"
        " data, fewer steps or, in a mixture, a smaller weight."
        for name, times in epochs.items()
        if times > MOST_EPOCHS
    ]
    ratio = tokens / recipe.model.config().n_parameters
    if ratio < 20:
        found.append(
            f"{ratio:.1f} tokens per parameter is less than the 20 at which compute is spent best"
            " (Hoffmann et al. 2022): a smaller model would come out better."
        )
    return found
