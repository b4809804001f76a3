"""The training loop: one process, resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from cg2_training.batches import RowStream, prefetch
from cg2_training.errors import TrainingError
from cg2_training.evaluate import evaluate
from cg2_training.export import export_checkpoint
from cg2_training.model import CodeGen, model_losses
from cg2_training.objective import IGNORED
from cg2_training.optimizer import MasterOptimizer, lr_scale
from cg2_training.plot import plot_losses
from cg2_training.recipe import Recipe
from cg2_training.shards import TokenShard
from cg2_training.state import load_state, save_state


def working_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
    return torch.bfloat16 if native else torch.float32


class Trainer:
    """A run: model, optimizer, data and the folder that holds its states, log and pictures."""

    def __init__(self, recipe: Recipe, train: TokenShard, heldout: TokenShard, run: Path) -> None:
        """Builds everything and resumes from the newest state of `run`.

        Raises:
            TrainingError: the shards do not fit the recipe, or the saved state does not.
        """
        vocabulary = train.tokenizer.special.vocab_size
        if vocabulary != recipe.model.vocab_size:
            raise TrainingError(
                f"the shard's tokenizer has {vocabulary} tokens, but the recipe says {recipe.model.vocab_size}."
            )
        self.recipe, self.train, self.heldout, self.run = recipe, train, heldout, run
        if recipe.run.threads:
            torch.set_num_threads(recipe.run.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = CodeGen(recipe.model.config())
        self.model.init_weights(torch.Generator().manual_seed(recipe.run.seed))
        self.model.to(self.device)
        self.optimizer = MasterOptimizer(self.model, recipe.optimizer)
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(working_dtype(self.device))
        self.done = load_state(run, self.optimizer, asdict(recipe.model))
        self.loss = torch.compile(self._loss) if recipe.run.compile else self._loss

    def _loss(self, tokens: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Objective with z-loss, and the plain mean cross entropy, of ids and labels [rows, context]."""
        logits = self.model(tokens).float().flatten(0, 1)
        flat = labels.flatten()
        entropy = F.cross_entropy(logits, flat, ignore_index=IGNORED)
        normalizer = torch.logsumexp(logits, dim=-1)
        drift = (normalizer.square() * (flat != IGNORED)).sum() / (flat != IGNORED).sum()
        return entropy + self.recipe.optimizer.z_loss * drift, entropy.detach()

    def fit(self, *, progress: bool = True) -> None:
        """Trains to the recipe's last step, saving, evaluating and logging on the way.

        Raises:
            TrainingError: the loss is no longer finite; the last saved state is intact.
        """
        run, objective = self.recipe.run, self.recipe.objective
        stream = RowStream(self.train, self.recipe.model.context_length, objective, run.seed)
        steps = range(self.done, run.steps)
        tokens_per_step = run.rows_per_step * self.recipe.model.context_length
        bar = tqdm(
            total=run.steps, initial=self.done, unit="step", disable=not progress, desc=self.recipe.name
        )
        self.run.mkdir(parents=True, exist_ok=True)
        with bar, (self.run / "log.jsonl").open("a", encoding="utf-8", buffering=1) as log:
            started, waited, mark = time.perf_counter(), 0.0, time.perf_counter()
            for step, batch in zip(steps, prefetch(stream, run.rows_per_step, steps), strict=True):
                waited += time.perf_counter() - mark
                tokens = torch.from_numpy(batch.tokens).to(self.device)
                labels = torch.from_numpy(batch.labels).to(self.device)
                objective_loss, entropy = self.loss(tokens, labels)
                torch.autograd.backward(objective_loss)
                scale = lr_scale(step, run.steps, self.recipe.optimizer)
                norm = self.optimizer.step(scale)
                value = float(entropy)
                if not math.isfinite(value) or not math.isfinite(norm):
                    raise TrainingError(
                        f"step {step}: the loss is {value} and the gradient norm {norm}; lower optimizer.lr and start"
                        f" again, which resumes from the last saved state in {self.run / 'states'}."
                    )
                self.done = step + 1
                elapsed = time.perf_counter() - started
                rate = (self.done - steps.start) * tokens_per_step / elapsed
                bar.update()
                bar.set_postfix_str(f"loss {value:.3f}, {rate:,.0f} tok/s", refresh=False)
                entry: dict[str, object] = {
                    "step": self.done,
                    "loss": round(value, 5),
                    "lr_scale": round(scale, 5),
                    "norm": round(norm, 4),
                }
                entry |= {"tokens_per_s": round(rate), "wait_share": round(waited / elapsed, 4)}
                if self.done % run.evaluate_every == 0 or self.done == run.steps:
                    entry |= {"heldout": self._evaluate()}
                log.write(json.dumps(entry) + "\n")
                if self.done % run.save_every == 0 or self.done == run.steps:
                    self.save()
                mark = time.perf_counter()

    def _evaluate(self) -> dict[str, float]:
        recipe = self.recipe
        result = evaluate(
            partial(model_losses, self.model),
            self.heldout,
            recipe.model.context_length,
            recipe.run.evaluate_rows,
            recipe.objective,
        )
        return {key: round(value, 5) for key, value in asdict(result).items()}

    def save(self) -> None:
        """Saves the state, the checkpoint in the Hugging Face layout and the picture of the losses."""
        save_state(
            self.run,
            self.done,
            self.optimizer,
            {"model": asdict(self.recipe.model), "recipe": self.recipe.to_dict()},
        )
        export_checkpoint(self.run / "checkpoint", self.recipe, self.optimizer, self.train.tokenizer)
        plot_losses(self.run / "log.jsonl", self.run / "loss.png", self.recipe.name)
