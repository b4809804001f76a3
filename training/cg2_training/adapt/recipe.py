"""How a model is continued on a repository: gently, and no longer than it pays."""

from __future__ import annotations

import shutil
from dataclasses import replace

from cg2_training.run.recipe import ModelSection, OptimizerSection, Recipe, RunSection
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer

ROWS = 8
"""Rows of a step: small steps, since a repository has few."""

WORTH_COMPILING = 300_000
"""Tokens to train on from which compiling the model first pays (it takes half a minute)."""

EVALUATIONS = 8
"""Evaluations of a run that is not stopped early."""

EVALUATED_ROWS = 16
"""Held-out rows of each kind that a run is judged by on its way; what came of it is judged by all."""

LEARNING_RATE = 5e-4
"""Peak, warmed up again from zero (Gupta et al. 2023, arXiv 2308.04014)."""


def rhythm(steps: int) -> int:
    """Steps between evaluations of a run of so many."""
    return max(1, steps // EVALUATIONS)


def shortened(recipe: Recipe, steps: int, before: Recipe, min_every: int) -> Recipe:
    """The recipe for fewer steps, warmed up faster.

    Args:
        recipe: of the full length.
        steps: how many there are to be.
        before: the one that was followed so far; evaluations keep its rhythm unless there would be far more of them
            than meant, or far fewer.
        min_every: fewest steps between two evaluations.
    """
    every = before.run.evaluate_every
    if not EVALUATIONS / 2 <= steps / every <= 2 * EVALUATIONS:
        every = rhythm(steps)
    every = max(every, min_every)
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, warmup_steps=min(recipe.optimizer.warmup_steps, steps // 5)),
        run=replace(recipe.run, steps=steps, save_every=every, evaluate_every=every),
    )


def adapt_recipe(
    name: str,
    config: CodeGenConfig,
    tokenizer: CodeTokenizer,
    *,
    tokens: int,
    epochs: float,
    seed: int,
    rows: int = ROWS,
    evaluate_rows: int = EVALUATED_ROWS,
    threads: int = 0,
) -> Recipe:
    """The recipe for a repository of so many tokens.

    Args:
        name: of the new model.
        config: of the model to go on from.
        tokenizer: of the same.
        tokens: in the files to train on.
        epochs: how often each is seen if nothing stops the run.
        seed: of the order and the corruptions.
        rows: of a step.
        evaluate_rows: held-out rows of each kind.
        threads: that compute; 0 leaves the choice.
    """
    steps = max(10, round(epochs * tokens / (rows * config.n_positions)))
    every = rhythm(steps)
    return Recipe(
        name=name,
        model=ModelSection(
            n_layer=config.n_layer,
            n_embd=config.n_embd,
            n_head=config.n_head,
            rotary_dim=config.rotary_dim,
            context_length=config.n_positions,
            vocab_size=config.vocab_size,
            n_masks=tokenizer.special.n_masks,
            qkv_groups=config.qkv_groups,
        ),
        optimizer=OptimizerSection(
            lr=LEARNING_RATE,
            schedule="wsd",
            warmup_steps=min(20, steps // 5),
            decay_share=0.7,
            final_lr_ratio=0.1,
        ),
        run=RunSection(
            steps=steps,
            rows_per_step=rows,
            seed=seed,
            save_every=every,
            evaluate_every=every,
            evaluate_rows=evaluate_rows,
            loaders=0,
            threads=threads,
            compile=epochs * tokens > WORTH_COMPILING and shutil.which("c++") is not None,
        ),
    )
