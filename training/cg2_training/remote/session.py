"""One leg on a borrowed machine: tokenize if need be, train until time is over, leave the weights."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cg2_training.cli.arguments import amount, index, seconds
from cg2_training.corpus.dedup import exact_key
from cg2_training.data.shards import ShardSet, TokenShard, read_documents, tokenize_corpus
from cg2_training.errors import TrainingError
from cg2_training.remote.installed_packages import Added, read_installed_documents, report_of
from cg2_training.remote.upload import write_upload
from cg2_training.run.hardware import flops_per_token, nominal_peak
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.commandline import Parser, run_command
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import CodeTokenizer

STATE_FILE = "lease.json"
"""What the legs before this one did."""

UNSETTLED_STEPS = 10**7
"""Steps of a run whose length is not settled yet; so far the rate is constant anyway."""

MIN_MEASURED_STEPS = 3
"""Steps before the speed is believed: compiling can take longer than the time for measuring."""


@dataclass
class SessionState:
    """What is known from leg to leg.

    Attributes:
        trained_s: seconds spent training.
        steps: length of the run; None until its speed was measured.
        added: installed packages that were trained on.
    """

    trained_s: float = 0.0
    steps: int | None = None
    added: list[dict[str, Any]] | None = None

    @classmethod
    def read(cls, work: Path) -> SessionState:
        """Return the ledger of a work folder; an empty one where there is none."""
        try:
            return cls(**json.loads((work / STATE_FILE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()

    def write(self, work: Path) -> None:
        """Write the ledger atomically."""
        write_atomically(work / STATE_FILE, json.dumps(asdict(self)))


def main(argv: Sequence[str]) -> int:
    """Run a leg; returns the exit code."""
    return run_command(
        "lease",
        lambda: _run(_parser().parse_args(argv)),
        install="torch tokenizers safetensors numpy tqdm matplotlib",
        interrupted="interrupted; the next leg goes on from the last saved state.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="lease", description="Trains a packed run for one leg; call it again for the next.")
    parser.add_argument(
        "--work", type=Path, default=Path("lease-work"), help="folder that stays between the legs"
    )
    parser.add_argument("--out", type=Path, required=True, help="empty folder for what is to be carried home")
    parser.add_argument("--leg", type=amount, default=9.0, metavar="MINUTES", help="end within this time")
    parser.add_argument(
        "--budget", type=amount, default=18.0, metavar="MINUTES", help="training time of all legs"
    )
    parser.add_argument(
        "--last", action="store_true", help="settle the run's length so that it ends within this leg"
    )
    parser.add_argument(
        "--calibrate", type=seconds, default=45.0, metavar="SECONDS", help="to measure the speed for"
    )
    parser.add_argument(
        "--reserve", type=seconds, default=30.0, metavar="SECONDS", help="kept free for leaving"
    )
    parser.add_argument(
        "--installed", nargs="*", metavar="NAME", help="train on installed packages too; all if none is named"
    )
    parser.add_argument(
        "--portion", type=index, default=0, help="leave this portion of the result; 1 and up train no further"
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on although the recipe is another than in the leg before",
    )
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    work, pack = arguments.work.resolve(), arguments.work.resolve() / "pack"
    ledger = SessionState.read(work)
    tokenizer = CodeTokenizer.load(pack / "tokenizer.json")
    shards = _shards(work, pack, tokenizer, arguments.installed, ledger)
    recipe = Recipe.load(pack / "recipe.toml", arguments.overrides)
    trainer = Trainer(
        with_steps(recipe, ledger.steps or UNSETTLED_STEPS),
        *shards,
        work / "run",
        accept_changes=arguments.accept_changes,
    )
    if not arguments.portion:
        end = began + 60 * arguments.leg - arguments.reserve
        _train(trainer, recipe, ledger, work, end, arguments)
    report = _report(trainer, ledger)
    weights = trainer.optimizer.weights()
    extra = {name: (work / "run" / name).read_bytes() for name in ("loss.png", "log.jsonl")}
    files = write_upload(arguments.out, weights, report, extra, portion=arguments.portion)
    print(
        json.dumps({key: value for key, value in report.items() if key not in ("recipe", "added")}, indent=1)
    )
    print(f"left in {arguments.out}: {', '.join(files) or 'nothing, there is no such portion'}")
    return 0


def _shards(
    work: Path, pack: Path, tokenizer: CodeTokenizer, installed: list[str] | None, ledger: SessionState
) -> tuple[TokenShard, TokenShard]:
    """Tokens to train on and tokens held out, made by the first leg."""
    train, heldout = work / "train", work / "heldout"
    if not (heldout / "shard.json").exists():
        tokenize_corpus(pack / "heldout.jsonl", tokenizer, heldout)
    if not (train / "shard.json").exists():
        corpus = pack / "train.jsonl"
        if installed is not None:
            corpus = work / "train.jsonl"
            ledger.added = _with_installed(pack, corpus, installed)
            ledger.write(work)
        tokenize_corpus(corpus, tokenizer, train)
    return TokenShard.open(train), TokenShard.open(heldout)


def _with_installed(pack: Path, corpus: Path, names: list[str]) -> list[dict[str, Any]]:
    """Write the packed corpus and behind it the installed packages; reports what was added."""
    known = {
        exact_key(text) for name in ("heldout", "train") for text in read_documents(pack / f"{name}.jsonl")
    }
    sources = json.loads((pack / "corpus.json").read_text(encoding="utf-8"))["sources"]
    held_out = [label.split("==")[0] for label, count in sources.items() if count["split"] == "heldout"]
    added: list[Added] = []
    with corpus.open("w", encoding="utf-8") as lines:
        for text in read_documents(pack / "train.jsonl"):
            lines.write(json.dumps({"text": text}) + "\n")
        for text in read_installed_documents(names or None, known, held_out, added):
            lines.write(json.dumps({"text": text}) + "\n")
    return report_of(added)


def _train(
    trainer: Trainer,
    recipe: Recipe,
    ledger: SessionState,
    work: Path,
    end: float,
    arguments: argparse.Namespace,
) -> None:
    """Train to the end of the leg or of the budget, whichever is first; settles the run's length on the way.

    Raises:
        TrainingError: the recipe's schedule needs to know the length from the start.
    """
    if recipe.optimizer.schedule != "wsd":
        raise TrainingError(
            "the packed recipe's optimizer.schedule must be wsd: the run's length is found on the way."
        )

    def until(moment: float) -> None:
        began = time.monotonic()
        trainer.fit(deadline=min(moment, began + 60 * arguments.budget - ledger.trained_s))
        ledger.trained_s += time.monotonic() - began
        ledger.write(work)

    if ledger.steps is None:
        until(min(end, time.monotonic() + arguments.calibrate))
        while trainer.done < MIN_MEASURED_STEPS and time.monotonic() < end:
            until(time.monotonic())
        left = 60 * arguments.budget - ledger.trained_s
        if arguments.last:
            left = min(left, end - time.monotonic())
        ledger.steps = count_steps_that_fit(trainer, left)
        ledger.write(work)
        trainer.recipe = with_steps(recipe, ledger.steps)
    if trainer.done < ledger.steps and time.monotonic() < end and ledger.trained_s < 60 * arguments.budget:
        until(end)


def _report(trainer: Trainer, ledger: SessionState) -> dict[str, Any]:
    """What the run has come to so far."""
    recipe, config = trainer.recipe, trainer.model.config
    seen = trainer.done * recipe.run.rows_per_step * config.n_positions
    unique = ShardSet.of(trainer.train).size
    rate = seen / max(1e-9, ledger.trained_s)
    peak = nominal_peak(trainer.device)
    return {
        "recipe": recipe.to_dict(),
        "steps": trainer.done,
        "planned_steps": ledger.steps,
        "parameters": config.n_parameters,
        "tokens_seen": seen,
        "unique_tokens": unique,
        "epochs": round(seen / unique, 3),
        "trained_s": round(ledger.trained_s, 1),
        "tokens_per_s": round(rate),
        "mfu": round(rate * flops_per_token(config) / peak, 4) if peak else None,
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "heldout": trainer.evaluate().to_dict(),
        "added": ledger.added or [],
    }


PLANNED_TIME_SHARE = 0.92
"""Share of the time left that is planned for: evaluations and saves come on top, and a machine may get slower."""


def count_steps_that_fit(trainer: Trainer, seconds: float) -> int:
    """Steps that the time left suffices for, those done included, at the speed of the last ones."""
    speed = read_log(trainer.run / "log.jsonl")[-1]["tokens_per_s"]
    tokens_per_step = trainer.recipe.run.rows_per_step * trainer.recipe.model.context_length
    more = math.floor(PLANNED_TIME_SHARE * max(0.0, seconds) * speed / tokens_per_step)
    return int(trainer.done + max(1, more))


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe for so many steps. What a "wsd" schedule did before its decay stays right."""
    return replace(recipe, run=replace(recipe.run, steps=steps))
