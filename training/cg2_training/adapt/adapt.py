"""Adaptation of a model to a repository, exported only if held-out files improve."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cg2_quantize.convert import ConversionOptions, convert
from cg2_training.adapt.inputs import (
    SUFFIXES,
    AdaptInputs,
    SourceFile,
    collect_files,
    hold_out,
    prepare_inputs,
)
from cg2_training.adapt.recipe import (
    MEASURED_SHARE,
    AdaptOptions,
    Clock,
    EarlyStopping,
    Pacer,
    load_or_choose_sizes,
    make_adapt_recipe,
    stopping_score,
)
from cg2_training.data.batches import RowStream
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_evaluation_target
from cg2_training.evaluate.losses import Evaluation, EvaluationOptions, evaluate
from cg2_training.export import export_checkpoint
from cg2_training.model.codegen import load_model, model_losses
from cg2_training.objective import ObjectiveConfig
from cg2_training.run.distributed import join_processes
from cg2_training.run.hardware import choose_threads
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.files import check_replaceable, replacing_folder, write_atomically
from cg2ls.models.folder.description import DESCRIPTION, Language, ModelDescription
from cg2ls.models.folder.facts import Facts

MIN_FILES = 4

PRIVATE_LICENSE = "LicenseRef-private"
"""SPDX licence id of weights trained on a user's private files."""


class NotBetterError(TrainingError):
    """Adapted weights that are no better on the held-out files; nothing was exported."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True)
class AdaptPaths:
    """Inputs and outputs of an adaptation.

    Attributes:
        folders: repositories.
        base: model folder to start from.
        out: model folder to write.
        run: folder for intermediate files; it can be deleted afterwards.
    """

    folders: Sequence[Path]
    base: Path
    out: Path
    run: Path


@dataclass(frozen=True, kw_only=True)
class AdaptReport:
    """Result of an adaptation; both evaluations use model folders and the held-out files.

    Attributes:
        name: name of the new model.
        folder: folder of the new model.
        files: number of training files.
        heldout_files: number of held-out files.
        tokens: tokens in the training files.
        refused: number of excluded files by reason.
        steps: steps of the kept weights.
        minutes: duration of the whole adaptation.
        before: evaluation of the base model.
        after: evaluation of the new model.
    """

    name: str
    folder: Path
    files: int
    heldout_files: int
    tokens: int
    refused: dict[str, int]
    steps: int
    minutes: float
    before: Evaluation
    after: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def adapt(
    paths: AdaptPaths, *, name: str, options: AdaptOptions, clock: Clock = time.monotonic
) -> AdaptReport:
    """Continue training a model on a repository's files, and export it if the held-out loss falls.

    A killed call resumes if it is repeated with the same arguments.

    Args:
        paths: repositories, base model and folders to write.
        name: name of the new model.
        options: options of the adaptation.
        clock: clock in seconds.

    Raises:
        NotBetterError: held-out loss did not fall in training or after quantization; `paths.out` is not written.
        TrainingError: there is too little text to train on, or `paths.run` is another kind of folder.
        Cg2Error: `paths.base` or `paths.out` is not a model folder.
    """
    began = clock()
    check_replaceable(paths.out, DESCRIPTION)
    collected = collect_files(paths.folders, SUFFIXES.get(options.language, (f".{options.language}",)))
    train, heldout = _split(collected.files, options)
    inputs = prepare_inputs(paths.run, paths.base, train, heldout, repr((name, options)))
    sizes = load_or_choose_sizes(
        inputs.run / "sizes.json", lambda: measure_row_seconds(inputs, options, clock), options.minutes
    )
    recipe = make_adapt_recipe(
        name,
        inputs.start.config,
        inputs.train.tokenizer,
        options,
        sizes,
        tokens=len(inputs.train.tokens),
    )
    deadline = began + 60 * options.minutes * (1 - MEASURED_SHARE)
    steps = _train(inputs, recipe, options, deadline, clock)
    _describe(inputs.best, paths.base, name, steps)
    before = _measure(paths.base, inputs, recipe, sizes.measure_rows)
    after = _export(inputs, recipe, paths.out, before, options, sizes.measure_rows)
    return AdaptReport(
        name=name,
        folder=paths.out,
        files=len(train),
        heldout_files=len(heldout),
        tokens=len(inputs.train.tokens),
        refused=dict(sorted(collected.refused.items())),
        steps=steps,
        minutes=round((clock() - began) / 60, 2),
        before=before,
        after=after,
    )


def _split(files: Sequence[SourceFile], options: AdaptOptions) -> tuple[list[SourceFile], list[SourceFile]]:
    if len(files) < MIN_FILES:
        raise TrainingError(
            f"only {len(files)} {options.language} files can be read, but at least {MIN_FILES} are needed;"
            " name a larger folder or several folders."
        )
    train, heldout = hold_out(files, options.share)
    if not heldout or not train:
        raise TrainingError(
            "one file has nearly all of the text, so none can be held out; name more folders."
        )
    return train, heldout


def measure_row_seconds(inputs: AdaptInputs, options: AdaptOptions, clock: Clock) -> float:
    """Measure the seconds for scoring one row, after one row of warm-up."""
    torch.set_num_threads(choose_threads(options.threads, 0).count)
    model = load_model(inputs.start).to(join_processes().device)
    stream = RowStream(inputs.train, inputs.start.config.n_positions, ObjectiveConfig(), options.seed)
    for number in range(2):
        began = clock()
        model_losses(model, stream.rows(number, 1))
    return clock() - began


def _train(inputs: AdaptInputs, recipe: Recipe, options: AdaptOptions, deadline: float, clock: Clock) -> int:
    """Train; keep the best weights in `inputs.best` and return their step."""
    trainer = Trainer(recipe, inputs.train, inputs.heldout, inputs.run, start=inputs.start, clock=clock)
    if options.progress:
        print(trainer.threads, file=sys.stderr)

    def export_best() -> None:
        export_checkpoint(inputs.best, recipe, trainer.optimizer.weights(), trainer.train.tokenizer)

    best, seconds = _first_score(inputs, trainer)
    stopping = EarlyStopping(best=best, on_best=export_best)
    if trainer.done:
        stopping.replay_log(read_log(inputs.run / "log.jsonl"), trainer.done)
    if stopping.should_continue and trainer.done < trainer.recipe.run.steps:
        pacer = Pacer(recipe, deadline, seconds, clock)
        trainer.fit(
            progress=options.progress, deadline=deadline, should_continue=stopping, adjust_length=pacer
        )
    if not stopping.best_step:
        raise NotBetterError(
            "training on the other files does not improve the model on the held-out ones"
            f" ({stopping.best:.3f} nats per token before, not less afterwards); nothing was exported."
        )
    return stopping.best_step


def _first_score(inputs: AdaptInputs, trainer: Trainer) -> tuple[float, float]:
    """Return the initial weights' score and its seconds; both are saved for a call that resumes."""
    file = inputs.run / "first.json"
    if not file.exists():
        began = trainer.clock()
        first = stopping_score(trainer.evaluate())
        write_atomically(file, json.dumps([first, trainer.clock() - began]))
    first, seconds = json.loads(file.read_text(encoding="utf-8"))
    return float(first), float(seconds)


def _describe(checkpoint: Path, base: Path, name: str, step: int) -> None:
    """Write the base model's facts next to the weights, under the new name."""
    model = ModelDescription.read(base)
    source = replace(model.source, checkpoint=f"{model.name}, adapted", revision=f"step-{step}")
    replace(Facts.of_model(model), name=name, license=PRIVATE_LICENSE, source=source, quality={}).write(
        checkpoint
    )


def _measure(folder: Path, inputs: AdaptInputs, recipe: Recipe, rows: int) -> Evaluation:
    losses, context = open_evaluation_target(folder, inputs.heldout.tokenizer)
    return evaluate(losses, inputs.heldout, EvaluationOptions(context, rows, recipe.objective))


def _export(
    inputs: AdaptInputs, recipe: Recipe, out: Path, before: Evaluation, options: AdaptOptions, rows: int
) -> Evaluation:
    """Quantize the best weights, measure them, and move the folder to `out` if they are better."""
    folder = inputs.run / "folder"
    # The weights' quality is measured below, so the conversion need not.
    convert(inputs.best, folder, ConversionOptions(precision=options.precision, force=True, untrained=True))
    after = _measure(folder, inputs, recipe, rows)
    if stopping_score(after) >= stopping_score(before):
        raise NotBetterError(
            "after quantization, the adapted model is no better on the held-out files"
            f" ({stopping_score(before):.3f} nats per token before, {stopping_score(after):.3f} after);"
            " nothing was exported."
        )
    model = ModelDescription.read(folder)
    language = {options.language: Language(bits_per_byte=round(after.bits_per_byte, 4))}
    replace(model, languages={**model.languages, **language}).write(folder)
    with replacing_folder(out, proof=DESCRIPTION) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
    return after
