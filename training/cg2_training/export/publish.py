"""From a run to a model folder with its measurements and a model card."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cg2_quantize.convert import ConversionOptions, convert
from cg2_training.data.shard_set import ShardSet
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_subject
from cg2_training.evaluate.losses import Evaluation, evaluate
from cg2_training.export.model_card import render_card
from cg2_training.run.recipe import Recipe
from cg2_training.run.run_file import read_run
from cg2ls.files import check_replaceable, replacing_folder
from cg2ls.models.folder.description import DESCRIPTION, Language, ModelDescription
from cg2ls.models.folder.facts import Facts

TOKENS = 1 << 17
"""Most held-out tokens of each kind, in rows of the context's length; a fixed order decides which."""


def publish(
    run: Path, heldout: Path, corpus: Path, out: Path, *, precision: str, language: str, license_id: str
) -> str:
    """Converts a run's checkpoint, measures it before and after, and writes the model card beside it.

    Args:
        run: folder of a pretraining run.
        heldout: token shards to measure on.
        corpus: folder of the built corpus, whose corpus.json the card quotes.
        out: the model folder; one that is there is replaced.
        precision: see `cg2_quantize.convert.ConversionOptions`.
        language: what the corpus is written in.
        license_id: SPDX id of the weights.

    Returns:
        The model card.

    Raises:
        TrainingError: the run has no saved state, or the corpus no report.
        OutputError: `out` holds something that is no model folder.
    """
    check_replaceable(out, DESCRIPTION)
    step, recipe = read_run(run)
    if recipe.objective.prefix_lm:
        raise TrainingError(
            f"{run} was trained with objective.prefix_lm, but the server's attention is causal, so its weights"
            " cannot be exported; evaluate its checkpoint instead."
        )
    report = _corpus_report(corpus)
    shards = ShardSet.open(heldout)
    measured = _measure(run / "checkpoint", shards, recipe)
    with tempfile.TemporaryDirectory(dir=run) as scratch:
        checkpoint = Path(shutil.copytree(run / "checkpoint", Path(scratch) / "checkpoint"))
        facts = Facts.read(checkpoint)
        source = replace(facts.source, checkpoint=recipe.name, revision=f"step-{step}")
        replace(facts, source=source).write(checkpoint)
        folder = Path(scratch) / "folder"
        # What the weights know was measured above, so the conversion need not.
        wanted = ConversionOptions(precision=precision, license=license_id, untrained=True)
        convert(checkpoint, folder, wanted)
        shipped = _measure(folder, shards, recipe)
        replace(
            ModelDescription.read(folder),
            languages={language: Language(bits_per_byte=round(shipped.bits_per_byte, 4))},
            quality=_quality(measured, shipped),
        ).write(folder)
        card = render_card(recipe, step, report, measured, shipped, folder)
        with replacing_folder(out, proof=DESCRIPTION) as new:
            for path in [*folder.iterdir(), run / "loss.png"]:
                shutil.copy2(path, new / path.name)
            (new / "README.md").write_text(card, encoding="utf-8")
    return card


def _measure(subject: Path, shards: ShardSet, recipe: Recipe) -> Evaluation:
    losses, context = open_subject(subject, shards.tokenizer)
    return evaluate(losses, shards, context, max(1, TOKENS // context), recipe.objective, progress=True)


def _quality(measured: Evaluation, shipped: Evaluation) -> dict[str, float]:
    return {
        "float_bits_per_byte": round(measured.bits_per_byte, 4),
        "bits_per_byte": round(shipped.bits_per_byte, 4),
        "float_infill_nats": round(measured.infill_nats, 4),
        "infill_nats": round(shipped.infill_nats, 4),
    }


def _corpus_report(corpus: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{corpus} has no readable corpus.json ({error}); name a folder of corpus build."
        ) from None
    return report
