"""Session on a remote machine: tokenize the text once, train until the time is over, and write uploads."""

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
from cg2_training.remote import START_FOLDER
from cg2_training.remote.installed_packages import Added, describe_added, read_installed_documents
from cg2_training.remote.upload import write_upload
from cg2_training.run.hardware import flops_per_token, nominal_peak
from cg2_training.run.progress import read_log
from cg2_training.run.recipe import Recipe
from cg2_training.trainer import Trainer
from cg2ls.commandline import Parser, run_command
from cg2ls.files import write_atomically
from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

STATE_FILE = "session.json"
"""File with the state of the sessions so far."""

OLD_STATE_FILE = "lease.json"
"""Name of the same file in older packs; it is read if `STATE_FILE` is missing."""

UNSETTLED_STEPS = 10**7
"""Placeholder for the steps of a run until its length is known; until then the learning rate is constant."""

SESSION_MINUTES = 9.0
"""Default time of a session."""

PLANNED_TIME_SHARE = 0.92
"""Share of the remaining time that is planned; evaluations and saves need time, and a machine may slow down."""

MIN_MEASURED_STEPS = 3
"""Minimum steps before the speed is used: compilation can take longer than the time for measuring."""


@dataclass
class SessionState:
    """State kept between sessions.

    Attributes:
        trained_s: seconds spent training.
        steps: length of the run; None until the speed is measured.
        added: installed packages added to the training text.
    """

    trained_s: float = 0.0
    steps: int | None = None
    added: list[dict[str, Any]] | None = None

    @classmethod
    def read(cls, work: Path) -> SessionState:
        """Read the state of a work folder; a new folder has the initial state."""
        for name in (STATE_FILE, OLD_STATE_FILE):
            if (work / name).exists():
                return cls(**json.loads((work / name).read_text(encoding="utf-8")))
        return cls()

    def write(self, work: Path) -> None:
        """Write the state atomically."""
        write_atomically(work / STATE_FILE, json.dumps(asdict(self)))


def main(argv: Sequence[str]) -> int:
    """Run a session; return the exit code."""
    return run_command(
        "remote-session",
        lambda: _run(parse_arguments(argv)),
        install="torch tokenizers safetensors numpy tqdm matplotlib",
        interrupted="interrupted; the next session resumes from the last saved state.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="remote-session",
        description="Train a packed run for one session; run the same command again for the next one.",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("remote-work"),
        help="folder kept between sessions (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="empty folder for the files to send back")
    parser.add_argument(
        "--session",
        type=amount,
        metavar="MINUTES",
        help=f"end within this time (default: {SESSION_MINUTES:g})",
    )
    parser.add_argument("--leg", type=amount, help=argparse.SUPPRESS)  # old name of --session
    parser.add_argument(
        "--budget",
        type=amount,
        default=18.0,
        metavar="MINUTES",
        help="training time of all sessions (default: %(default)s)",
    )
    parser.add_argument(
        "--last", action="store_true", help="choose the run's length so that it ends within this session"
    )
    parser.add_argument(
        "--calibrate",
        type=seconds,
        default=45.0,
        metavar="SECONDS",
        help="time for measuring the speed (default: %(default)s)",
    )
    parser.add_argument(
        "--reserve",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="time reserved for writing uploads (default: %(default)s)",
    )
    parser.add_argument(
        "--installed",
        nargs="*",
        metavar="NAME",
        help="also train on these installed packages; all if none is named",
    )
    parser.add_argument(
        "--portion",
        type=index,
        default=0,
        help="write this portion of the result; from 1 on without training (default: %(default)s)",
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="resume although the recipe changed since the last session",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="SECTION.KEY=VALUE",
        help="override of the recipe; can be repeated",
    )
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; `--leg` is the old name of `--session`."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.session and arguments.leg and arguments.session != arguments.leg:
        parser.error("--session and its old name --leg have different values; give only --session")
    arguments.session = arguments.session or arguments.leg or SESSION_MINUTES
    arguments.work = arguments.work.resolve()
    return arguments


def _run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    work, pack = arguments.work, arguments.work / "pack"
    state = SessionState.read(work)
    tokenizer = CodeTokenizer.load(pack / "tokenizer.json")
    shards = _open_shards(work, pack, tokenizer, arguments.installed, state)
    recipe = Recipe.load(pack / "recipe.toml", arguments.overrides)
    trainer = Trainer(
        with_steps(recipe, state.steps or UNSETTLED_STEPS),
        *shards,
        work / "run",
        start=Checkpoint.open(pack / START_FOLDER) if (pack / START_FOLDER).exists() else None,
        accept_changes=arguments.accept_changes,
    )
    if not arguments.portion:
        end = began + 60 * arguments.session - arguments.reserve
        _train(trainer, recipe, state, work, end, arguments)
    report = _make_report(trainer, state)
    weights = trainer.optimizer.weights()
    extra = {name: (work / "run" / name).read_bytes() for name in ("loss.png", "log.jsonl")}
    files = write_upload(arguments.out, weights, report, extra, portion=arguments.portion)
    print(
        json.dumps({key: value for key, value in report.items() if key not in ("recipe", "added")}, indent=1)
    )
    print(f"wrote to {arguments.out}: {', '.join(files) or 'nothing, since there is no such portion'}")
    return 0


def _open_shards(
    work: Path, pack: Path, tokenizer: CodeTokenizer, installed: list[str] | None, state: SessionState
) -> tuple[TokenShard, TokenShard]:
    """Open the tokens to train on and the held-out tokens; the first session makes them."""
    train, heldout = work / "train", work / "heldout"
    if not (heldout / "shard.json").exists():
        tokenize_corpus(pack / "heldout.jsonl", tokenizer, heldout)
    if not (train / "shard.json").exists():
        corpus = pack / "train.jsonl"
        if installed is not None:
            corpus = work / "train.jsonl"
            state.added = _write_with_installed(pack, corpus, installed)
            state.write(work)
        tokenize_corpus(corpus, tokenizer, train)
    return TokenShard.open(train), TokenShard.open(heldout)


def _write_with_installed(pack: Path, corpus: Path, names: list[str]) -> list[dict[str, Any]]:
    """Write the packed corpus followed by the installed packages; return the added packages."""
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
    return describe_added(added)


def _train(
    trainer: Trainer,
    recipe: Recipe,
    state: SessionState,
    work: Path,
    end: float,
    arguments: argparse.Namespace,
) -> None:
    """Train to the end of the session or of the budget; set the run's length once its speed is known.

    Raises:
        TrainingError: the recipe's schedule needs the length from the start.
    """
    if recipe.optimizer.schedule != "wsd":
        raise TrainingError(
            "the packed recipe's optimizer.schedule must be wsd, since the run's length is set during training."
        )

    def train_until(moment: float) -> None:
        began = time.monotonic()
        trainer.fit(deadline=min(moment, began + 60 * arguments.budget - state.trained_s))
        state.trained_s += time.monotonic() - began
        state.write(work)

    if state.steps is None:
        train_until(min(end, time.monotonic() + arguments.calibrate))
        while trainer.done < MIN_MEASURED_STEPS and time.monotonic() < end:
            train_until(time.monotonic())
        seconds_left = 60 * arguments.budget - state.trained_s
        if arguments.last:
            seconds_left = min(seconds_left, end - time.monotonic())
        state.steps = count_steps_that_fit(trainer, seconds_left)
        state.write(work)
        trainer.recipe = with_steps(recipe, state.steps)
    if trainer.done < state.steps and time.monotonic() < end and state.trained_s < 60 * arguments.budget:
        train_until(end)


def _make_report(trainer: Trainer, state: SessionState) -> dict[str, Any]:
    """Return the report of the run so far."""
    recipe, config = trainer.recipe, trainer.model.config
    seen = trainer.done * recipe.run.rows_per_step * config.n_positions
    unique = ShardSet.of(trainer.train).size
    rate = seen / max(1e-9, state.trained_s)
    peak = nominal_peak(trainer.device)
    return {
        "recipe": recipe.to_dict(),
        "steps": trainer.done,
        "planned_steps": state.steps,
        "parameters": config.n_parameters,
        "tokens_seen": seen,
        "unique_tokens": unique,
        "epochs": round(seen / unique, 3),
        "trained_s": round(state.trained_s, 1),
        "tokens_per_s": round(rate),
        "mfu": round(rate * flops_per_token(config) / peak, 4) if peak else None,
        "device": torch.cuda.get_device_name() if trainer.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "heldout": trainer.evaluate().to_dict(),
        "added": state.added or [],
    }


def count_steps_that_fit(trainer: Trainer, seconds: float) -> int:
    """Return the total steps that fit into the remaining seconds at the speed of the last steps."""
    speed = read_log(trainer.run / "log.jsonl")[-1]["tokens_per_s"]
    tokens_per_step = trainer.recipe.run.rows_per_step * trainer.recipe.model.context_length
    more = math.floor(PLANNED_TIME_SHARE * max(0.0, seconds) * speed / tokens_per_step)
    return int(trainer.done + max(1, more))


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with this many steps; the steps of a "wsd" schedule before its decay do not change."""
    return replace(recipe, run=replace(recipe.run, steps=steps))
