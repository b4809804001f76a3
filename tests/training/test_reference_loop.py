"""A recipe takes the same path through the trainer as through a plain loop around transformers' model.

The loop below shares nothing with the trainer but the rows and the initial weights: Hugging Face's model,
torch.optim.AdamW with two groups, the schedule and the loss written out. Both compute in float32, so that what is
left between them is the order of additions.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import CodeGenConfig as HfConfig
from transformers import CodeGenForCausalLM

from cg2_training.data.batches import Batch, RowStream
from cg2_training.data.shards import TokenShard
from cg2_training.evaluate.losses import Evaluation, EvaluationOptions, evaluate
from cg2_training.model.codegen import CodeGen
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer

STEPS = 120


def plain_model(recipe: Recipe, initial: CodeGen) -> CodeGenForCausalLM:
    raw = recipe.model.config().to_dict(end_of_text_id=0)
    raw.pop("torch_dtype", None)
    model = CodeGenForCausalLM(HfConfig(**raw))
    model.load_state_dict(initial.state_dict())
    return model


def plain_loop(recipe: Recipe, shard: TokenShard, model: CodeGenForCausalLM) -> list[float]:
    """Trains the model; returns the loss of every step."""
    config = recipe.optimizer
    decayed = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=config.lr,
        betas=(0.9, 0.95),
    )
    stream = RowStream(shard, recipe.model.context_length, recipe.objective, recipe.run.seed)
    losses = []
    for step in range(STEPS):
        if step < config.warmup_steps:
            scale = (step + 1) / config.warmup_steps
        else:
            done = (step - config.warmup_steps) / (STEPS - config.warmup_steps)
            scale = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = config.lr * scale
        batch = stream.batch(step, recipe.run.rows_per_step)
        labels = torch.from_numpy(batch.labels)
        logits = model(torch.from_numpy(batch.tokens)).logits
        bearing = labels != -100
        entropy = F.cross_entropy(logits[bearing], labels[bearing])
        loss = entropy + 1e-4 * torch.logsumexp(logits[bearing], dim=-1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(entropy.item())
    model.eval()
    return losses


def heldout(model: CodeGenForCausalLM, recipe: Recipe, shard: TokenShard) -> Evaluation:
    @torch.no_grad()
    def losses(batch: Batch) -> np.ndarray[Any, np.dtype[np.float32]]:
        logits = model(torch.from_numpy(batch.tokens)).logits
        labels = torch.from_numpy(batch.labels)
        return F.cross_entropy(logits.mT, labels, ignore_index=-100, reduction="none").numpy()

    return evaluate(losses, shard, EvaluationOptions(recipe.model.context_length, 32, recipe.objective))


@pytest.mark.slow
def test_the_trainer_takes_the_path_of_a_plain_loop(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    recipe["run"] |= {"steps": STEPS, "rows_per_step": 8, "evaluate_every": 1000, "evaluate_rows": 32}
    recipe["run"] |= {"precision": "float32"}
    recipe["optimizer"] |= {
        "lr": 3e-3
    }  # at three times the rate, some steps amplify a rounding a hundredfold
    parsed = Recipe.from_dict(recipe)
    run = Trainer(parsed, shard, shard, tmp_path)
    model, before = plain_model(parsed, run.model), run.evaluate()
    run.fit(progress=False)
    ours = [entry["loss"] for entry in read_log(tmp_path / "log.jsonl")]
    theirs = plain_loop(parsed, shard, model)
    reached, expected = run.evaluate(), heldout(model, parsed, shard)
    assert reached.causal_nats < before.causal_nats - 1.5, "both have learnt something"
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert reached.causal_nats == pytest.approx(expected.causal_nats, rel=1e-4)
    assert reached.infill_nats == pytest.approx(expected.infill_nats, rel=1e-4)
