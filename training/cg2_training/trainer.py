"""The training loop: one process, resumable at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cg2_training.data.batches import RowStream, TrainingRows, row_stream
from cg2_training.data.loader import StepTensors, load_batches
from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import Evaluation, evaluate
from cg2_training.export.checkpoint import export_checkpoint
from cg2_training.model.codegen import CodeGen, load_model, model_losses, region_mask
from cg2_training.objective import IGNORED
from cg2_training.optim.optimizer import MasterOptimizer, lr_scale
from cg2_training.optim.sharded_optimizer import ShardedOptimizer
from cg2_training.run.distributed import join_processes, shard_model
from cg2_training.run.hardware import (
    Threads,
    choose_precision,
    choose_threads,
    flops_per_token,
    keep_freed_memory,
    nominal_peak,
)
from cg2_training.run.progress import RunProgress, TrainingSpeed, open_progress, plot_losses
from cg2_training.run.recipe import Recipe
from cg2_training.run.resume import check_inputs, describe_inputs, saved_threads
from cg2_training.run.state import load_state, save_state, write_run
from cg2ls.models.codegen2 import Checkpoint

ShouldContinue = Callable[[int, Evaluation], bool]
"""Told the step and its evaluation; whether to train on."""

AdjustLength = Callable[[Recipe, int, float], Recipe]
"""Told the recipe, the steps done and the seconds of a step; gives back the recipe of the length that fits."""


def always_continue(_step: int, _evaluation: Evaluation) -> bool:
    """Return the watch of a run that ends at its recipe's last step."""
    return True


class Trainer:
    """A run: model, optimizer, data and the folder that holds its states, log and pictures.

    Attributes:
        done: steps done, those before a resume included.
        precision: what it computes in, and why.
        threads: how many compute, and why so many.
        changes: inputs that are others than before a resume, in words; there are some only if that was accepted.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: TokenShard | ShardSet,
        heldout: TokenShard | ShardSet,
        run: Path,
        *,
        start: Checkpoint | None = None,
        accept_changes: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build everything and resumes from the newest state of `run`.

        Args:
            recipe: what to do.
            train: tokens to train on, by source where there are several.
            heldout: tokens to evaluate on, likewise.
            run: folder of the run.
            start: weights to begin with where `run` has no state yet; random ones if None.
            accept_changes: whether to go on from a state that other inputs led to.
            clock: seconds, for speeds and deadlines.

        Raises:
            TrainingError: the shards or the checkpoint do not fit the recipe, or the saved state does not.
        """
        vocabulary = train.tokenizer.special.vocab_size
        if vocabulary != recipe.model.vocab_size:
            raise TrainingError(
                f"the shard's tokenizer has {vocabulary} tokens, but the recipe says {recipe.model.vocab_size}."
            )
        self.recipe, self.train, self.heldout, self.run = recipe, train, heldout, run
        self.clock = clock
        self.inputs = describe_inputs(recipe, train, heldout)
        self.changes = check_inputs(run, self.inputs, accept_changes=accept_changes)
        _check_heldout(ShardSet.of(heldout), recipe)
        self.ranks = join_processes()
        self.device = self.ranks.device
        self.threads = Threads(torch.get_num_threads(), "PyTorch's choice")
        if self.device.type == "cpu":
            keep_freed_memory()
            self.threads = choose_threads(recipe.run.threads, saved_threads(run))
            torch.set_num_threads(self.threads.count)
        if recipe.run.rows_per_step % self.ranks.world:
            raise TrainingError(
                f"run.rows_per_step is {recipe.run.rows_per_step}, which {self.ranks.world} processes cannot share"
                " evenly; make it a multiple."
            )
        torch.set_float32_matmul_precision("high")
        self.model = _initial(recipe, start).to(self.device)
        self.precision = choose_precision(recipe.run.precision, self.device)
        dtype, compiled = self.precision.dtype, recipe.run.compile
        self.optimizer: MasterOptimizer | ShardedOptimizer
        if self.ranks.world > 1:
            if recipe.run.int4_share:
                raise TrainingError("run.int4_share is for one process; set it to 0 for several.")
            for block in self.model.transformer.h if compiled else ():
                block.compile()
            shard_model(self.model, self.model.transformer.h, self.ranks, dtype)
            self.optimizer = ShardedOptimizer(self.model, recipe.optimizer)
        else:
            self.optimizer = MasterOptimizer(
                self.model, recipe.optimizer, dtype, may_round=recipe.run.int4_share > 0
            )
            for parameter in self.model.parameters():
                parameter.data = parameter.data.to(dtype)
        self.done = load_state(
            run, self.optimizer, asdict(recipe.model), self.ranks, optimizer_name=recipe.optimizer.name
        )
        self._round_when_due()
        whole = compiled and self.ranks.world == 1
        self.loss = torch.compile(self._loss) if whole else self._loss

    def _loss(self, tokens: Tensor, labels: Tensor, regions: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Objective with z-loss, and the plain cross entropy, of ids and labels [rows, context].

        Both are sums over the labels, divided by `count`, the labels of the whole step. `regions` is of
        `StepTensors`.
        """
        mask = region_mask(regions) if regions.shape[1] else None
        logits = self.model(tokens, mask).float().flatten(0, 1)
        flat = labels.flatten()
        counted = flat != IGNORED
        # One normalizer for both terms; and a mask, not an index, picks the labels' logits, since the gradient of
        # an index is a scatter into as many zeros as there are logits.
        normalizer = torch.logsumexp(logits, dim=-1)
        is_label = torch.arange(logits.shape[-1], device=logits.device) == flat[:, None]
        picked = torch.where(is_label, logits, 0.0).sum(-1)
        entropy = ((normalizer - picked) * counted).sum() / count
        drift = (normalizer.square() * counted).sum() / count
        return entropy + self.recipe.optimizer.z_loss * drift, entropy.detach()

    def fit(
        self,
        *,
        progress: bool = True,
        deadline: float = math.inf,
        should_continue: ShouldContinue = always_continue,
        adjust_length: AdjustLength | None = None,
    ) -> None:
        """Train to the recipe's last step, saving, evaluating and logging on the way.

        Args:
            progress: whether to draw a progress bar.
            deadline: value of the clock after which no step begins; the state is saved then.
            should_continue: asked after every evaluation whether to train on; the state is saved if not.
            adjust_length: asked after every step how long the run is to be, of a run of one process.

        Raises:
            TrainingError: the loss is no longer finite; the last saved state is intact.
        """
        run = self.recipe.run
        speed = TrainingSpeed(run.rows_per_step * self.recipe.model.context_length, self.clock)
        peak, flops = nominal_peak(self.device), flops_per_token(self.model.config)
        with self._progress(progress) as progress_log:
            for batch in self.batches(speed):
                self._round_when_due()
                scale = lr_scale(self.done, run.steps, self.recipe.optimizer)
                loss, norm = self.step(batch, scale)
                self.done += 1
                speed.step_ended()
                if adjust_length:
                    self.recipe = adjust_length(self.recipe, self.done, speed.step_s)
                    run = self.recipe.run
                entry: dict[str, object] = {
                    "step": self.done,
                    "loss": round(loss, 5),
                    "lr_scale": round(scale, 5),
                    "norm": round(norm, 4),
                    "tokens_per_s": round(speed.tokens_per_s),
                    "wait_share": round(speed.wait_share, 4),
                }
                if peak:
                    entry["mfu"] = round(speed.tokens_per_s * flops / (peak * self.ranks.world), 4)
                going = self.done < run.steps and self.clock() < deadline
                if self.done % run.evaluate_every == 0 or self.done >= run.steps:
                    began = self.clock()
                    evaluation = self.evaluate()
                    speed.paused(self.clock() - began)
                    entry["heldout"] = evaluation.to_dict(digits=5)
                    going &= not self.ranks.first or should_continue(self.done, evaluation)
                if progress_log:
                    progress_log.step(entry)
                going = self.ranks.agree(going)
                if self.done % run.save_every == 0 or not going:
                    self.save()
                if not going:
                    return

    def _progress(self, shown: bool) -> AbstractContextManager[RunProgress | None]:
        """Where the run is told of; None in all processes but the first."""
        if not self.ranks.first:
            return nullcontext()
        return open_progress(self.run, self.recipe.name, self.done, self.recipe.run.steps, shown=shown)

    def rows(self) -> TrainingRows:
        """Return the rows that the run trains on, by number."""
        recipe = self.recipe
        return row_stream(
            self.train, recipe.model.context_length, recipe.objective, recipe.run.seed, data=recipe.data
        )

    def batches(self, speed: TrainingSpeed) -> Iterator[StepTensors]:
        """Return the batches from the step that comes next, to the recipe's last; `speed` is told of waits."""
        run = self.recipe.run
        batches = load_batches(
            self.rows(),
            run.rows_per_step,
            range(self.done, run.steps),
            workers=run.loaders,
            rank=self.ranks.rank,
            world=self.ranks.world,
            pin=self.device.type == "cuda",
        )
        mark = self.clock()
        for batch in batches:
            speed.waited(self.clock() - mark)
            yield batch
            mark = self.clock()

    def step(self, batch: StepTensors, scale: float) -> tuple[float, float]:
        """Train on one batch; gives back its mean loss in nats per label and the gradient's norm."""
        tokens, labels, regions = (part.to(self.device, non_blocking=True) for part in batch)
        # FSDP averages gradients over the processes, so each one's loss counts for as many.
        world = self.ranks.world
        count = self.ranks.total((labels != IGNORED).sum()).clamp_min(1).float() / world
        rows = self.recipe.run.rows_per_pass or len(tokens)
        total = torch.zeros((), device=self.device)
        passes = zip(*(torch.split(part, rows) for part in (tokens, labels, regions)), strict=True)
        for some_tokens, some_labels, some_regions in passes:
            objective, entropy = self.loss(some_tokens, some_labels, some_regions, count)
            torch.autograd.backward(objective)
            total += entropy
        norm = self.optimizer.step(scale)
        loss = float(self.ranks.total(total)) / world
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise TrainingError(
                f"step {self.done}: the loss is {loss} and the gradient norm {norm}; lower optimizer.lr and start"
                f" again, which resumes from the last saved state in {self.run / 'states'}."
            )
        return loss, norm

    def _round_when_due(self) -> None:
        """Let the model compute with rounded matrices in the recipe's last share of the steps."""
        run = self.recipe.run
        if run.int4_share and isinstance(self.optimizer, MasterOptimizer):
            self.optimizer.round_weights(self.done >= round(run.steps * (1 - run.int4_share)))

    def evaluate(self) -> Evaluation:
        """Held-out loss of the weights that the model computes with."""
        recipe = self.recipe
        return evaluate(
            partial(model_losses, self.model),
            self.heldout,
            recipe.model.context_length,
            recipe.run.evaluate_rows,
            recipe.objective,
        )

    def save(self) -> None:
        """Save the state, the checkpoint in the Hugging Face layout and the picture of the losses."""
        save_state(
            self.run,
            self.done,
            self.optimizer,
            self.inputs
            | {
                "model": asdict(self.recipe.model),
                "recipe": self.recipe.to_dict(),
                "threads": self.threads.count,
            },
            self.ranks,
        )
        weights = self.optimizer.weights()
        if self.ranks.first:
            export_checkpoint(self.run / "checkpoint", self.recipe, weights, self.train.tokenizer)
            write_run(self.run, self.done, self.recipe)
            plot_losses(self.run / "log.jsonl", self.run / "loss.png", self.recipe.name)


def _initial(recipe: Recipe, start: Checkpoint | None) -> CodeGen:
    """Return the model before its first step, float32."""
    if start is None:
        model = CodeGen(recipe.model.config())
        model.init_weights(torch.Generator().manual_seed(recipe.run.seed))
        return model
    if start.config != recipe.model.config():
        raise TrainingError(
            "the checkpoint to begin with has another shape than the recipe's [model] section."
        )
    return load_model(start).train()


def _check_heldout(heldout: ShardSet, recipe: Recipe) -> None:
    """Make sure before the first step that there is something to evaluate on after the last."""
    context = recipe.model.context_length
    for name, tokens in heldout.shards.items():
        try:
            RowStream(tokens, context, recipe.objective, seed=0)
        except TrainingError:
            raise TrainingError(
                f"the held-out tokens of {name} are {len(tokens.tokens)}, fewer than two rows of {context}; hold out a"
                " greater part, or choose a smaller model.context_length."
            ) from None
