"""The Hugging Face Trainer on CodeGenForCausalLM, with the same shape, rows and precision.

It runs in a separate process, as `python -m cg2_training.bench.hf_trainer`. For each line on standard input it trains
the steps of one turn, and prints their seconds as a JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    CodeGenConfig,
    CodeGenForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from cg2_training.data.batches import RowStream
from cg2_training.data.shards import TokenShard
from cg2_training.run.recipe import Recipe


class HFRows(Dataset[dict[str, torch.Tensor]]):
    """Rows of a stream in the Trainer's format; the model shifts the labels."""

    def __init__(self, stream: RowStream, count: int) -> None:
        self.stream, self.count = stream, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        tokens = torch.from_numpy(self.stream.rows(number, 1).tokens[0])
        return {"input_ids": tokens, "labels": tokens}


class Turns(TrainerCallback):  # type: ignore[misc]
    """Callback that waits for a line before every turn, and prints the seconds of each turn."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.began = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Wait for the line that starts a turn."""
        if state.global_step % self.steps == 0:
            if not sys.stdin.readline():
                control.should_training_stop = True
            self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Print the seconds of a turn."""
        if state.global_step % self.steps == 0:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            print(json.dumps(time.perf_counter() - self.began), flush=True)


def main() -> None:
    """Train turn by turn; the settings are a JSON argument."""
    settings = json.loads(sys.argv[1])
    recipe = Recipe.from_dict(settings["recipe"])
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    raw = recipe.model.config().to_dict(end_of_text_id=0)
    raw.pop("torch_dtype", None)
    run = recipe.run
    stream = RowStream(
        TokenShard.open(Path(settings["shard"])), recipe.model.context_length, recipe.objective, run.seed
    )
    rows = run.rows_per_pass or run.rows_per_step
    trainer = Trainer(
        model=CodeGenForCausalLM(CodeGenConfig(**raw)),
        args=TrainingArguments(
            output_dir=settings["folder"],
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=run.rows_per_step // rows,
            max_steps=run.steps,
            bf16=settings["bf16"],
            use_cpu=not torch.cuda.is_available(),
            learning_rate=recipe.optimizer.lr,
            weight_decay=recipe.optimizer.weight_decay,
            max_grad_norm=recipe.optimizer.clip,
            lr_scheduler_type="cosine",
            optim="adamw_torch_fused",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_num_workers=run.loaders,
        ),
        train_dataset=HFRows(stream, run.rows_per_step * run.steps),
        callbacks=[Turns(settings["turn"])],
    )
    trainer.train()


if __name__ == "__main__":
    main()
