"""From a repository and a model to a model that knows the repository, if it does turn out to know it better."""

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
from cg2_training.adapt.gather import SUFFIXES, SourceFile, gather, hold_out
from cg2_training.adapt.recipe import adapt_recipe
from cg2_training.adapt.stopping import EarlyStopping, score
from cg2_training.adapt.timing import MEASURED_SHARE, Clock, Pacer, settled_sizes
from cg2_training.adapt.workplace import Workplace, prepare
from cg2_training.data.batches import RowStream
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_subject
from cg2_training.evaluate.losses import Evaluation, evaluate
from cg2_training.export.checkpoint import export_checkpoint
from cg2_training.model.codegen import load_model, model_losses
from cg2_training.objective import ObjectiveConfig
from cg2_training.run.distributed import join
from cg2_training.run.plot import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.run.threads import choose_threads
from cg2_training.trainer import Trainer
from cg2ls.files import check_replaceable, replacing_folder, write_atomically
from cg2ls.models.folder.description import DESCRIPTION, Language, ModelDescription
from cg2ls.models.folder.facts import Facts

LEAST_FILES = 4

PRIVATE = "LicenseRef-private"
"""SPDX licence of weights that hold what their owner's files taught them."""


class NotBetterError(TrainingError):
    """The adapted weights are no better on the held-out files; nothing was exported."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """How to adapt.

    Attributes:
        language: LSP id; its files are read, and the model is measured on it.
        share: of the text that is held out.
        epochs: how often each file is seen if nothing stops the run.
        minutes: most time in all, about: what is left after the final figures goes into training.
        precision: of the model folder.
        seed: of the order and the corruptions.
        threads: that compute; 0 leaves the choice.
        progress: whether to draw progress bars.
    """

    language: str = "python"
    share: float = 0.1
    epochs: float = 3.0
    minutes: float = 10.0
    precision: str = "int8"
    seed: int = 1234
    threads: int = 0
    progress: bool = True


@dataclass(frozen=True, kw_only=True)
class AdaptReport:
    """What came of it; both evaluations are of model folders as they are used, on the held-out files.

    Attributes:
        name: of the new model.
        folder: of the new model.
        files: trained on.
        heldout_files: measured on.
        tokens: in the files trained on.
        refused: files left alone, by reason.
        steps: that the kept weights took.
        minutes: of the whole adaptation.
        before: the model that was adapted.
        after: the new one.
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
        """For JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def adapt(
    folders: Sequence[Path],
    base: Path,
    out: Path,
    *,
    name: str,
    run: Path,
    options: AdaptOptions,
    clock: Clock = time.monotonic,
) -> AdaptReport:
    """Continues a model on the files of a repository and exports it if held-out files say that it helped.

    A call that was killed goes on where it stopped when it is made again with the same arguments.

    Args:
        folders: repositories.
        base: the model folder to go on from.
        out: the model folder to make.
        name: of the new model.
        run: folder to work in; can be deleted afterwards.
        options: how.
        clock: seconds.

    Raises:
        NotBetterError: held-out loss did not fall, in training or after quantization; `out` is not written.
        TrainingError: there is too little to train on, or `run` is something else.
        Cg2Error: the model or the output folder is not one.
    """
    began = clock()
    check_replaceable(out, DESCRIPTION)
    found = gather(folders, SUFFIXES.get(options.language, (f".{options.language}",)))
    train, heldout = _split(found.files, options)
    place = prepare(run, base, train, heldout, repr((name, options)))
    sizes = settled_sizes(
        place.run / "sizes.json", lambda: row_seconds(place, options, clock), options.minutes
    )
    recipe = adapt_recipe(
        name,
        place.start.config,
        place.train.tokenizer,
        tokens=len(place.train.tokens),
        epochs=options.epochs,
        seed=options.seed,
        rows=sizes.rows_per_step,
        evaluate_rows=sizes.evaluate_rows,
        threads=options.threads,
    )
    deadline = began + 60 * options.minutes * (1 - MEASURED_SHARE)
    steps = _train(place, recipe, options, deadline, clock)
    _describe(place.best, base, name, steps)
    before = _measure(base, place, recipe, sizes.measure_rows)
    after = _export(place, recipe, out, before, options, sizes.measure_rows)
    return AdaptReport(
        name=name,
        folder=out,
        files=len(train),
        heldout_files=len(heldout),
        tokens=len(place.train.tokens),
        refused=dict(sorted(found.refused.items())),
        steps=steps,
        minutes=round((clock() - began) / 60, 2),
        before=before,
        after=after,
    )


def _split(files: Sequence[SourceFile], options: AdaptOptions) -> tuple[list[SourceFile], list[SourceFile]]:
    if len(files) < LEAST_FILES:
        raise TrainingError(
            f"only {len(files)} {options.language} files can be read there, but {LEAST_FILES} are needed at least;"
            " name a larger folder, or several."
        )
    train, heldout = hold_out(files, options.share)
    if not heldout or not train:
        raise TrainingError("one file is nearly all of the text, so none can be held out; name more folders.")
    return train, heldout


def row_seconds(place: Workplace, options: AdaptOptions, clock: Clock) -> float:
    """Seconds in which this machine scores one row; the first of two tries also loads what is needed."""
    torch.set_num_threads(choose_threads(options.threads, 0).count)
    model = load_model(place.start).to(join().device)
    stream = RowStream(place.train, place.start.config.n_positions, ObjectiveConfig(), options.seed)
    for number in range(2):
        began = clock()
        model_losses(model, stream.rows(number, 1))
    return clock() - began


def _train(place: Workplace, recipe: Recipe, options: AdaptOptions, deadline: float, clock: Clock) -> int:
    """Trains; leaves the best weights in `place.best` and gives back their step."""
    trainer = Trainer(recipe, place.train, place.heldout, place.run, start=place.start, clock=clock)
    if options.progress:
        print(trainer.threads, file=sys.stderr)

    def keep() -> None:
        export_checkpoint(place.best, recipe, trainer.optimizer.weights(), trainer.train.tokenizer)

    best, seconds = _first_score(place, trainer)
    stopping = EarlyStopping(best=best, keep=keep)
    if trainer.done:
        stopping.recall(read_log(place.run / "log.jsonl"), trainer.done)
    if stopping.going and trainer.done < trainer.recipe.run.steps:
        pacer = Pacer(recipe, deadline, seconds, clock)
        trainer.fit(progress=options.progress, deadline=deadline, watch=stopping, pace=pacer)
    if not stopping.best_step:
        raise NotBetterError(
            "what the other files teach does not make the model better on the held-out ones"
            f" ({stopping.best:.3f} nats per token before, no less afterwards); nothing was exported."
        )
    return stopping.best_step


def _first_score(place: Workplace, trainer: Trainer) -> tuple[float, float]:
    """Score of the weights before the first step, and the seconds it took; remembered for a call that goes on later."""
    file = place.run / "first.json"
    if not file.exists():
        began = trainer.clock()
        found = score(trainer.evaluate())
        write_atomically(file, json.dumps([found, trainer.clock() - began]))
    found, seconds = json.loads(file.read_text(encoding="utf-8"))
    return float(found), float(seconds)


def _describe(checkpoint: Path, base: Path, name: str, step: int) -> None:
    """Puts beside the weights what is known of the model they came from, under the new name."""
    model = ModelDescription.read(base)
    source = replace(model.source, checkpoint=f"{model.name}, adapted", revision=f"step-{step}")
    replace(Facts.of_model(model), name=name, license=PRIVATE, source=source, quality={}).write(checkpoint)


def _measure(folder: Path, place: Workplace, recipe: Recipe, rows: int) -> Evaluation:
    losses, context = open_subject(folder, place.heldout.tokenizer)
    return evaluate(losses, place.heldout, context, rows, recipe.objective)


def _export(
    place: Workplace, recipe: Recipe, out: Path, before: Evaluation, options: AdaptOptions, rows: int
) -> Evaluation:
    """Quantizes the best weights, measures them, and puts the folder in its place if they are better."""
    folder = place.run / "folder"
    # What the weights know is measured below, so that the conversion need not.
    wanted = ConversionOptions(precision=options.precision, force=True, untrained=True)
    convert(place.best, folder, wanted)
    after = _measure(folder, place, recipe, rows)
    if score(after) >= score(before):
        raise NotBetterError(
            "quantized, the adapted model is no better on the held-out files"
            f" ({score(before):.3f} nats per token before, {score(after):.3f} after); nothing was exported."
        )
    model = ModelDescription.read(folder)
    language = {options.language: Language(bits_per_byte=round(after.bits_per_byte, 4))}
    replace(model, languages={**model.languages, **language}).write(folder)
    with replacing_folder(out, proof=DESCRIPTION) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
    return after
