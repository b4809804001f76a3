"""A recipe reaches the same held-out loss through the trainer as through a plain loop around transformers' model.

The loop below shares nothing with the trainer but the rows: Hugging Face's model, one float32 copy of the weights,
torch.optim.AdamW with two groups, the schedule and the loss written out.
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

from cg2_training.batches import Batch, RowStream
from cg2_training.evaluate import Evaluation, evaluate
from cg2_training.recipe import Recipe
from cg2_training.shards import TokenShard
from cg2_training.trainer import Trainer

STEPS = 120


def plain_model(recipe: Recipe) -> CodeGenForCausalLM:
    raw = recipe.model.config().to_dict(end_of_text_id=0)
    raw.pop("torch_dtype", None)
    torch.manual_seed(recipe.run.seed)
    model = CodeGenForCausalLM(HfConfig(**raw))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            into_residual = name.endswith(("out_proj.weight", "fc_out.weight"))
            std = 0.02 / math.sqrt(2 * recipe.model.n_layer) if into_residual else 0.02
            torch.nn.init.normal_(parameter, std=std)
    return model


def plain_loop(recipe: Recipe, shard: TokenShard) -> CodeGenForCausalLM:
    model, config = plain_model(recipe), recipe.optimizer
    decayed = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=config.lr,
        betas=(0.9, 0.95),
    )
    stream = RowStream(shard, recipe.model.context_length, recipe.objective, recipe.run.seed)
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
        loss = F.cross_entropy(logits[bearing], labels[bearing])
        loss = loss + 1e-4 * torch.logsumexp(logits[bearing], dim=-1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def heldout(model: CodeGenForCausalLM, recipe: Recipe, shard: TokenShard) -> Evaluation:
    @torch.no_grad()
    def losses(batch: Batch) -> np.ndarray[Any, np.dtype[np.float32]]:
        logits = model(torch.from_numpy(batch.tokens)).logits
        labels = torch.from_numpy(batch.labels)
        return F.cross_entropy(logits.mT, labels, ignore_index=-100, reduction="none").numpy()

    return evaluate(losses, shard, recipe.model.context_length, 32, recipe.objective)


@pytest.mark.slow
def test_the_trainer_reaches_the_loss_of_a_plain_loop(
    recipe: dict[str, Any], shard: TokenShard, tmp_path: Path
) -> None:
    recipe["run"] |= {"steps": STEPS, "rows_per_step": 8, "evaluate_every": 1000, "evaluate_rows": 32}
    parsed = Recipe.from_dict(recipe)
    run = Trainer(parsed, shard, shard, tmp_path)
    before = run.evaluate()
    run.fit(progress=False)
    ours, theirs = run.evaluate(), heldout(plain_loop(parsed, shard), parsed, shard)
    assert ours.causal_nats < before.causal_nats - 1.5, "both have learnt something"
    assert ours.causal_nats == pytest.approx(theirs.causal_nats, rel=0.03)
    assert ours.infill_nats == pytest.approx(theirs.infill_nats, rel=0.03)
