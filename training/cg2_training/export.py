"""Export of a training state: as a checkpoint, and as a measured model folder with a model card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent
from typing import Any

from torch import Tensor

from cg2_training.data.shards import ShardSet
from cg2_training.errors import TrainingError
from cg2_training.evaluate.evaluation_target import open_evaluation_target
from cg2_training.evaluate.losses import Evaluation, EvaluationOptions, evaluate
from cg2_training.objective.spans import CHARS_PER_TOKEN
from cg2_training.run.recipe import Recipe
from cg2_training.run.state import read_run
from cg2ls.files import check_replaceable, replacing_folder
from cg2ls.models.codegen2 import CodeTokenizer, write_checkpoint
from cg2ls.models.folder.description import DESCRIPTION, Infill, Language, ModelDescription
from cg2ls.models.folder.facts import Facts


def export_checkpoint(
    folder: Path, recipe: Recipe, weights: Mapping[str, Tensor], tokenizer: CodeTokenizer
) -> None:
    """Write weights as a float32 checkpoint, together with the facts that only training knows."""
    write_checkpoint(
        folder,
        recipe.model.config(),
        {name: weight.float().numpy() for name, weight in weights.items()},
        tokenizer.to_json(),
        end_of_text_id=tokenizer.special.end_of_text,
    )
    make_facts(recipe).write(folder)


def make_facts(recipe: Recipe) -> Facts:
    """Return the ways in which the recipe's weights can be prompted.

    Every piece of a corrupted row is tokenized separately, so an answer may start anywhere. The longest masked span or
    known text limits the distance.
    """
    objective = recipe.objective
    corrupted = objective.infill_share > 0
    reach = max(objective.max_span_chars, objective.anchor_max_chars if objective.anchor_share else 0)
    return Facts(
        name=recipe.name,
        infill=Infill(
            objectives=("causal", "span_corruption") if corrupted else ("causal",),
            character_cuts=corrupted,
            anchor_max_tokens=min(128, reach // CHARS_PER_TOKEN) if corrupted else 0,
        ),
    )


MAX_EVALUATION_TOKENS = 1 << 17
"""Maximum held-out tokens of each kind, in rows of the context length and in a fixed order."""


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """Properties of a published model.

    Attributes:
        precision: precision of the model folder; see `cg2_quantize.convert`.
        language: language of the corpus, as an LSP id.
        license_id: SPDX id of the weights' licence.
    """

    precision: str
    language: str
    license_id: str


def publish(run: Path, heldout: Path, corpus: Path, out: Path, options: PublishOptions) -> str:
    """Convert a run's checkpoint, measure it before and after, and add a model card.

    Args:
        run: folder of a pretraining run.
        heldout: token shards to measure on.
        corpus: folder of the built corpus, whose corpus.json the card quotes.
        out: model folder to write; an existing one is replaced.
        options: properties of the model.

    Returns:
        The model card.

    Raises:
        TrainingError: the run has no saved state, or the corpus has no report.
        OutputError: `out` exists and is not a model folder.
    """
    # Training exports checkpoints on machines without the packages of the converter.
    from cg2_quantize.convert import ConversionOptions, convert
    from cg2_quantize.model_card import CARD as CARD_FILE

    check_replaceable(out, DESCRIPTION)
    step, recipe = read_run(run)
    if recipe.objective.prefix_lm:
        raise TrainingError(
            f"{run} was trained with objective.prefix_lm, so its weights cannot be exported: the server's attention"
            " is causal. Evaluate its checkpoint instead."
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
        # The weights' quality is measured below, so the conversion need not.
        conversion = ConversionOptions(
            precision=options.precision, license=options.license_id, untrained=True
        )
        convert(checkpoint, folder, conversion)
        shipped = _measure(folder, shards, recipe)
        replace(
            ModelDescription.read(folder),
            languages={options.language: Language(bits_per_byte=round(shipped.bits_per_byte, 4))},
            quality=_quality(measured, shipped),
        ).write(folder)
        card = render_card(recipe, step, report, measured, shipped, folder)
        with replacing_folder(out, proof=DESCRIPTION) as new:
            for path in [*folder.iterdir(), run / "loss.png"]:
                shutil.copy2(path, new / path.name)
            (new / CARD_FILE).write_text(card, encoding="utf-8")
    return card


def _measure(target: Path, shards: ShardSet, recipe: Recipe) -> Evaluation:
    losses, context = open_evaluation_target(target, shards.tokenizer)
    rows = max(1, MAX_EVALUATION_TOKENS // context)
    return evaluate(losses, shards, EvaluationOptions(context, rows, recipe.objective, progress=True))


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
            f"{corpus} has no readable corpus.json ({error}); name a folder of cg2-train corpus."
        ) from None
    return report


CARD = """\
# {name}

A CodeGen2 model ({parameters:,} parameters, {precision}, {size:.1f} MB) for {language}, trained from scratch by
this project's own commands. It completes lines and short blocks. It is small and often wrong.

| | |
| --- | --- |
| shape | {n_layer} layers x {n_embd}, {n_head} heads, context {context_length} tokens, vocabulary {vocab_size} |
| objective | causal LM and file-level span corruption, {infill:.0%} of the rows corrupted |
| corpus | {train_files:,} files, {train_mb:.0f} MB of text; manifest SHA-256 `{manifest_sha256}` |
| seen | {steps:,} steps of {rows} rows: {tokens:,} tokens |
| seed | {seed} |
| held out | {heldout} |
| licence | {license} (the manifest names the licence of each source) |

Held-out loss, {eval_rows} rows of each kind:

| | float32 | as shipped ({precision}) |
| --- | --- | --- |
| bits per byte, continuation | {float_bpb:.3f} | {bpb:.3f} |
| nats per token, infill answers | {float_infill:.3f} | {infill_nats:.3f} |

![Training loss and held-out bits per byte](loss.png)

## Commands

{commands}

The recipe of the run, including overrides of the file:

{recipe}
"""

BUILT = """\
    cg2-train corpus build training/manifests/{manifest} -o runs/corpus
    cg2-train tokenizer runs/corpus/train.jsonl -o runs/tokenizer.json --vocab-size {vocab_size} --masks {masks}
    cg2-train tokenize runs/corpus/train.jsonl --tokenizer runs/tokenizer.json -o runs/train
    cg2-train tokenize runs/corpus/heldout.jsonl --tokenizer runs/tokenizer.json -o runs/heldout
    cg2-train pretrain training/recipes/{name}.toml --train runs/train --heldout runs/heldout --run runs/{name}
    cg2-train export runs/{name} --heldout runs/heldout --corpus runs/corpus -o cg2ls/default --format {precision}"""

COLLECTED = """\
    cg2-train corpus collect SOURCES -o runs/corpus
    cg2-train tokenizer runs/corpus -o runs/tokenizer.json --vocab-size {vocab_size} --masks {masks}
    cg2-train tokenize runs/corpus --tokenizer runs/tokenizer.json -o runs/shards
    cg2-train pretrain RECIPE --train runs/shards/train --heldout runs/shards/heldout --run runs/{name}
    cg2-train export runs/{name} --heldout runs/shards/heldout --corpus runs/corpus \\
      -o models/{name} --format {precision}"""


def render_card(
    recipe: Recipe,
    step: int,
    corpus: dict[str, Any],
    measured: Evaluation,
    shipped: Evaluation,
    folder: Path,
) -> str:
    """Render the model card as Markdown.

    Args:
        recipe: recipe of the run.
        step: steps done.
        corpus: report of the corpus.
        measured: held-out loss of the float32 checkpoint.
        shipped: held-out loss of the model folder.
        folder: the model folder.
    """
    from cg2_quantize.model_card import render_metadata

    model = ModelDescription.read(folder)
    collected = "benchmarks" in corpus
    held_out = [name for name, source in corpus["sources"].items() if source["split"] == "heldout"]
    if collected:
        held_out = [f"{corpus['files']['heldout']:,} documents of the same sources"]
    commands = (COLLECTED if collected else BUILT).format(
        manifest=corpus["manifest"],
        name=recipe.name,
        vocab_size=recipe.model.vocab_size,
        masks=recipe.model.n_masks,
        precision=model.precision,
    )
    return render_metadata(model) + CARD.format(
        name=recipe.name,
        commands=commands,
        parameters=recipe.model.config().n_parameters,
        precision=model.precision,
        size=sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
        language=", ".join(model.languages).capitalize(),
        n_layer=recipe.model.n_layer,
        n_embd=recipe.model.n_embd,
        n_head=recipe.model.n_head,
        context_length=recipe.model.context_length,
        vocab_size=recipe.model.vocab_size,
        infill=recipe.objective.infill_share,
        train_files=corpus["files"]["train"],
        train_mb=corpus["bytes"]["train"] / 1e6,
        manifest_sha256=corpus["manifest_sha256"],
        steps=step,
        rows=recipe.run.rows_per_step,
        tokens=step * recipe.run.rows_per_step * recipe.model.context_length,
        seed=recipe.run.seed,
        heldout=", ".join(held_out),
        license=model.license,
        eval_rows=measured.rows,
        float_bpb=measured.bits_per_byte,
        bpb=shipped.bits_per_byte,
        float_infill=measured.infill_nats,
        infill_nats=shipped.infill_nats,
        recipe=indent(recipe.to_toml(), "    "),
    )
