"""Training loop, resumable at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cg2_training.data.batches import RowStream, StepTensors, TrainingRows, load_batches, row_stream
from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.errors import TrainingError
from cg2_training.evaluate.losses import Evaluation, EvaluationOptions, evaluate
from cg2_training.evaluate.served import score_places
from cg2_training.export import export_checkpoint
from cg2_training.model.codegen import CodeGen, load_model, make_region_mask, model_losses, model_predictions
from cg2_training.objective import IGNORED
from cg2_training.optim.optimizer import MasterOptimizer, ShardedOptimizer, lr_scale
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
from cg2_training.run.state import (
    check_inputs,
    describe_inputs,
    load_state,
    save_state,
    saved_threads,
    write_run,
)
from cg2ls.models.codegen2 import Checkpoint

ShouldContinue = Callable[[int, Evaluation], bool]
"""Callback that gets the step and its evaluation, and tells whether to continue."""

AdjustLength = Callable[[Recipe, int, float], Recipe]
"""Callback that gets the recipe, the steps done and the seconds of a step, and returns the recipe to continue with."""


def always_continue(_step: int, _evaluation: Evaluation) -> bool:
    """Continue up to the recipe's last step."""
    return True


class Trainer:
    """Training run: model, optimizer, data, and the folder of its states, log and loss curve.

    Attributes:
        done: steps done, including those before a resume.
        precision: dtype of the computation, with its reason.
        threads: number of CPU threads, with its reason.
        changes: descriptions of accepted changes to the inputs since the last state.
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
        """Build all parts and resume from the newest state of `run`.

        Args:
            recipe: settings of the run.
            train: tokens to train on; a set if there are several sources.
            heldout: tokens to evaluate on; a set if there are several sources.
            run: folder of the run.
            start: initial weights if `run` has no state yet; None for random weights.
            accept_changes: whether to resume a state that had other inputs.
            clock: clock in seconds, for speeds and deadlines.

        Raises:
            TrainingError: the shards, the checkpoint or the saved state do not fit the recipe.
        """
        vocabulary = train.tokenizer.special.vocab_size
        if vocabulary != recipe.model.vocab_size:
            raise TrainingError(
                f"the shard's tokenizer has {vocabulary} tokens, but the recipe says {recipe.model.vocab_size};"
                " make model.vocab_size equal."
            )
        self.recipe, self.train, self.heldout, self.run = recipe, train, heldout, run
        self.clock = clock
        self.inputs = describe_inputs(recipe, train, heldout)
        self.changes = check_inputs(run, self.inputs, accept_changes=accept_changes)
        _check_heldout(ShardSet.of(heldout), recipe)
        self.ranks = join_processes()
        self.device = self.ranks.device
        self.threads = Threads(torch.get_num_threads(), "PyTorch's default")
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
        self.model = _make_model(recipe, start).to(self.device)
        self.precision = choose_precision(recipe.run.precision, self.device)
        self.optimizer = self._make_optimizer()
        self.done = load_state(
            run, self.optimizer, asdict(recipe.model), self.ranks, optimizer_name=recipe.optimizer.name
        )
        self._update_rounding()
        compile_loss = recipe.run.compile and self.ranks.world == 1
        self.loss = torch.compile(self._loss) if compile_loss else self._loss

    def _make_optimizer(self) -> MasterOptimizer | ShardedOptimizer:
        """Create the optimizer, and give the model the dtype or the shards that it computes with."""
        run, dtype = self.recipe.run, self.precision.dtype
        if self.ranks.world > 1:
            if run.int4_share:
                raise TrainingError("run.int4_share supports only one process; set it to 0 for several.")
            for block in self.model.transformer.h if run.compile else ():
                block.compile()
            shard_model(self.model, self.model.transformer.h, self.ranks, dtype)
            return ShardedOptimizer(self.model, self.recipe.optimizer)
        optimizer = MasterOptimizer(self.model, self.recipe.optimizer, dtype, may_round=run.int4_share > 0)
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(dtype)
        return optimizer

    def _loss(self, tokens: Tensor, labels: Tensor, regions: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the objective with z-loss, and the plain cross entropy, of ids and labels [rows, context].

        Both are sums over the labels divided by `count`, the number of labels in the whole step. See `StepTensors` for
        `regions`.
        """
        mask = make_region_mask(regions) if regions.shape[1] else None
        logits = self.model(tokens, mask).float().flatten(0, 1)
        flat = labels.flatten()
        counted = flat != IGNORED
        # One normalizer serves both terms. A mask instead of an index selects the labels' logits, since the gradient
        # of an index is a scatter into as many zeros as there are logits.
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
        """Train to the recipe's last step; save, evaluate and log at the recipe's intervals.

        Args:
            progress: whether to show a progress bar.
            deadline: clock value after which no step begins and the state is saved.
            should_continue: called after every evaluation; if False, the state is saved and training ends.
            adjust_length: called after every step to set the length of the run; for one process only.

        Raises:
            TrainingError: the loss is not finite; the last saved state is intact.
        """
        run = self.recipe.run
        speed = TrainingSpeed(run.rows_per_step * self.recipe.model.context_length, self.clock)
        peak, flops = nominal_peak(self.device), flops_per_token(self.model.config)
        with self._progress(progress) as progress_log:
            for batch in self.batches(speed):
                self._update_rounding()
                scale = lr_scale(self.done, run.steps, self.recipe.optimizer)
                loss, norm = self.step(batch, scale)
                self.done += 1
                speed.on_step_end()
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
                is_running = self.done < run.steps and self.clock() < deadline
                if self.done % run.evaluate_every == 0 or self.done >= run.steps:
                    began = self.clock()
                    evaluation = self.evaluate()
                    speed.on_pause(self.clock() - began)
                    entry["heldout"] = evaluation.to_dict(digits=5)
                    is_running &= not self.ranks.first or should_continue(self.done, evaluation)
                if progress_log:
                    progress_log.step(entry)
                is_running = self.ranks.agree(is_running)
                if self.done % run.save_every == 0 or not is_running:
                    self.save()
                if not is_running:
                    return

    def _progress(self, shown: bool) -> AbstractContextManager[RunProgress | None]:
        """Open the progress output; None in all processes but the first."""
        if not self.ranks.first:
            return nullcontext()
        return open_progress(self.run, self.recipe.name, self.done, self.recipe.run.steps, shown=shown)

    def rows(self) -> TrainingRows:
        """Return the run's training rows, by number."""
        recipe = self.recipe
        return row_stream(
            self.train, recipe.model.context_length, recipe.objective, recipe.run.seed, data=recipe.data
        )

    def batches(self, speed: TrainingSpeed) -> Iterator[StepTensors]:
        """Yield the batches from the next step to the recipe's last; report waits to `speed`."""
        run = self.recipe.run
        batches = load_batches(
            self.rows(),
            run.rows_per_step,
            range(self.done, run.steps),
            workers=run.loaders,
            process=(self.ranks.rank, self.ranks.world),
            pin=self.device.type == "cuda",
        )
        mark = self.clock()
        for batch in batches:
            speed.on_batch(self.clock() - mark)
            yield batch
            mark = self.clock()

    def step(self, batch: StepTensors, scale: float) -> tuple[float, float]:
        """Train on one batch; return its mean loss in nats per label and the gradient norm."""
        tokens, labels, regions = (part.to(self.device, non_blocking=True) for part in batch)
        # FSDP averages gradients over the processes, so each process multiplies its loss by their number.
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
                f"step {self.done}: the loss is {loss} and the gradient norm {norm}; lower optimizer.lr and run the"
                f" same command, which resumes from the last saved state in {self.run / 'states'}."
            )
        return loss, norm

    def _update_rounding(self) -> None:
        """Use rounded matrices in the last share of the steps, as the recipe specifies."""
        run = self.recipe.run
        if run.int4_share and isinstance(self.optimizer, MasterOptimizer):
            self.optimizer.round_weights(self.done >= round(run.steps * (1 - run.int4_share)))

    def evaluate(self) -> Evaluation:
        """Evaluate the model's current weights on held-out rows."""
        recipe, context = self.recipe, self.recipe.model.context_length
        evaluation = evaluate(
            partial(model_losses, self.model),
            self.heldout,
            EvaluationOptions(context, recipe.run.evaluate_rows, recipe.objective),
        )
        if not recipe.run.served_places:
            return evaluation
        served = score_places(
            partial(model_predictions, self.model),
            self.heldout,
            context,
            recipe.run.served_places,
            prefix_lm=recipe.objective.prefix_lm,
        )
        return replace(evaluation, served=served.to_dict(digits=5)) if served.places else evaluation

    def save(self) -> None:
        """Save the state, the checkpoint in the Hugging Face layout and the loss curve."""
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


def _make_model(recipe: Recipe, start: Checkpoint | None) -> CodeGen:
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
    """Make sure, before the first step, that there are enough held-out tokens for the evaluation."""
    context = recipe.model.context_length
    for name, tokens in heldout.shards.items():
        try:
            RowStream(tokens, context, recipe.objective, seed=0)
        except TrainingError:
            raise TrainingError(
                f"the held-out tokens of {name} are {len(tokens.tokens)}, fewer than two rows of {context}; hold out a"
                " larger part, or choose a smaller model.context_length."
            ) from None
