"""Estimate of the memory, speed and time that a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cg2_training.run.hardware import NOMINAL_PEAKS, flops_per_token
from cg2_training.run.recipe import Recipe

GIB = 1 << 30

GPU_GIB = {"H100": 80, "H200": 141, "A100": 80, "L40S": 48, "4090": 24}
"""Memory by GPU; of two versions, the larger one."""

ASSUMED_MFU = 0.40
"""Share of the data sheet's FLOP/s that efficient trainers of such models reach (see docs/reference/training.md)."""

STATE_BYTES = {"adamw": 8.0, "adamw8bit": 2.1, "muon": 4.0}
"""Bytes of the optimizer's state per parameter; Muon keeps one moment of the hidden matrices."""

MAX_USEFUL_EPOCHS = 4
"""More repetition of the data helps little (Muennighoff et al. 2023, arXiv 2305.16264)."""

USABLE_MEMORY_SHARE = 0.9
"""Share of a GPU's memory that a plan may fill; fragmentation and libraries take the rest."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Estimate for one recipe.

    Attributes:
        parameters: parameters of the model.
        tokens: tokens seen in the whole run.
        flops: FLOPs of the whole run, by `hardware.flops_per_token`.
        weights_gib: working and master weights per GPU.
        gradients_gib: gradients per GPU.
        optimizer_gib: moments per GPU.
        activations_gib: activations of one pass per GPU.
        total_gib: sum per GPU.
        gpu_gib: memory of one GPU.
        tokens_per_s: speed of all GPUs together, at the assumed MFU.
        hours: duration of the whole run.
        epochs: how often each source is read; empty if the data is unknown.
        warnings: problems of the plan, each as a sentence.
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
        """Return the plan for JSON."""
        return asdict(self)


def make_plan(
    recipe: Recipe,
    *,
    gpu: str,
    gpus: int,
    mfu: float = ASSUMED_MFU,
    epochs: Mapping[str, float] | None = None,
) -> RunPlan:
    """Estimate memory, speed and time.

    Weights, gradients and moments are sharded among the GPUs (FSDP2); activations are not.

    Args:
        recipe: recipe to run.
        gpu: a name in `GPU_GIB`.
        gpus: number of GPUs.
        mfu: assumed share of the data sheet's FLOP/s.
        epochs: how often the run reads each source; None if unknown.
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
    return RunPlan(
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
        warnings=tuple(_find_warnings(recipe, total, GPU_GIB[gpu], gpus, tokens, epochs or {})),
        epochs=dict(epochs or {}),
    )


def _activation_bytes(recipe: Recipe) -> float:
    """Return the bytes kept per token for the backward pass, in bfloat16 with fused attention.

    A block keeps its input, the normed input, query, key, value, the attention's output, and the MLP's hidden layer
    before and after its activation: 14 widths. The head keeps logits in bfloat16 and float32, and their gradient.
    """
    model = recipe.model
    return 2 * 14 * model.n_embd * model.n_layer + model.vocab_size * (2 + 4 + 4)


def _find_warnings(
    recipe: Recipe, total: float, gpu_gib: float, gpus: int, tokens: int, epochs: Mapping[str, float]
) -> list[str]:
    warnings = []
    usable = USABLE_MEMORY_SHARE * gpu_gib
    if total > usable:
        warnings.append(
            f"{total:.1f} GiB are needed on each GPU, but {usable:.1f} of its {gpu_gib} can be used;"
            " use more GPUs, or lower run.rows_per_pass."
        )
    if recipe.run.rows_per_step % gpus:
        warnings.append(
            f"run.rows_per_step is {recipe.run.rows_per_step}, which {gpus} GPUs cannot share evenly;"
            " make it a multiple."
        )
    warnings += [
        f"the run reads {name} {times:.1f} times; more than {MAX_USEFUL_EPOCHS} epochs hardly help;"
        " use more data, fewer steps or, in a mixture, a smaller weight."
        for name, times in epochs.items()
        if times > MAX_USEFUL_EPOCHS
    ]
    ratio = tokens / recipe.model.config().n_parameters
    if ratio < 20:
        warnings.append(
            f"{ratio:.1f} tokens per parameter is less than the compute-optimal 20 (Hoffmann et al. 2022);"
            " a smaller model would be better."
        )
    return warnings
