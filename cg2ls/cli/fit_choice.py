"""`cg2ls models fit-choice`: fit the numbers by which a model chooses among several lines."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cg2ls.evaluation.quality.line_choices import ObservedChoice
    from cg2ls.evaluation.quality.positions import Position
    from cg2ls.evaluation.simulation.replay_retrieval import Scope

DRAWN_PER_PLACE = 3
"""Positions drawn for each one that is used; the others have nothing below, or nothing to write."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of `cg2ls models`."""
    parser = commands.add_parser(
        "fit-choice",
        help="fit to repositories how a model chooses among several lines; kept if held-out files gain",
        description="Ask at places of real files, and fit how the text below judges several lines. The numbers are"
        " kept in model.json if files that they were not fitted to gain. Take repositories that the model was not"
        " trained on.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="repositories or files")
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="the model (default: the one in use)")
    parser.add_argument(
        "--positions", type=int, default=600, metavar="N", help="places to ask at (default: 600)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--repository-memory",
        choices=("on", "off", "both"),
        default="both",
        help="whether the repositories' own text takes part, or half of the places each (default: both)",
    )
    parser.add_argument(
        "--observations",
        type=Path,
        metavar="FILE",
        help="also write the hypotheses of each place as JSON lines",
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Observe, fit and print; write model.json if held-out files gain.

    Raises:
        Cg2Error: there is too little text, the model cannot be run, or its folder cannot be written.
    """
    from cg2ls.engine import Engine
    from cg2ls.evaluation.quality.fit_line_choice import fit_line_choice
    from cg2ls.evaluation.quality.line_choices import observe_choices
    from cg2ls.evaluation.quality.positions import sample_positions
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect_sources
    from cg2ls.files import write_atomically
    from cg2ls.models.folder.description import ModelDescription, ModelFolderError
    from cg2ls.models.folder.store import locate_model
    from cg2ls.workspace.languages import LANGUAGES

    located = locate_model(flag=arguments.model)
    with Engine.open(located.folder) as engine:
        sources = collect_sources(arguments.paths, LANGUAGES, set(engine.model.languages))
        drawn = sample_positions(sources, DRAWN_PER_PLACE * arguments.positions, arguments.seed)
        positions = list(_take_useful(drawn, arguments.positions))
        print(f"cg2ls: asking at {len(positions)} places ...", file=sys.stderr, flush=True)
        scopes: list[Scope] = (
            ["on", "off"] if arguments.repository_memory == "both" else [arguments.repository_memory]
        )
        observed: list[ObservedChoice] = []
        for number, scope in enumerate(scopes):
            memories = ReplayMemory(arguments.paths, sources, engine.tokenizer, scope)
            part = slice(*(len(positions) * end // len(scopes) for end in (number, number + 1)))
            observed += observe_choices(engine, memories, positions[part])
            memories.close()
    if arguments.observations:
        lines = (json.dumps(each.to_json(), ensure_ascii=False) + "\n" for each in observed)
        write_atomically(arguments.observations, "".join(lines))
    found = fit_line_choice(observed)
    is_kept = found.helps and not arguments.dry_run
    if is_kept:
        try:
            replace(ModelDescription.read(located.folder), line_choice=found.choice).write(located.folder)
        except OSError as error:
            raise ModelFolderError(
                f"{located.folder} cannot be written ({error.strerror}); copy the folder and fit the copy."
            ) from None
    report = {"repository_memory": arguments.repository_memory} | found.to_json()
    print(json.dumps(report | {"kept_in": str(located.folder) if is_kept else ""}, indent=2))
    return 0


def _take_useful(drawn: Sequence[Position], count: int) -> Iterator[Position]:
    """Yield the first positions where a part of the line is missing and there is text below."""
    from cg2ls.evaluation.quality.positions import NOTHING_TO_WRITE

    useful = (each for each in drawn if each.kind not in NOTHING_TO_WRITE and each.below != "nothing")
    for _, position in zip(range(count), useful, strict=False):
        yield position
