"""The command `cg2-train adapt`."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from cg2_training.cli.arguments import amount, index, share

EXAMPLE = """\
example: teach the shipped model your repository, and use the result in Python files:
  cg2-train adapt ~/src/project
A tenth of the files is held out and decides whether it helped; a model that is no better is not exported
(exit status 3). `cg2ls models use default --language python` goes back.
"""


def add_adapt(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="repositories, or folders in them"
    )
    parser.add_argument(
        "--from", dest="base", metavar="MODEL", help="to begin with (default: the shipped one)"
    )
    parser.add_argument("--name", help="of the new model (default: the first folder's name, adapted)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="also put the model folder there")
    parser.add_argument(
        "--language", default="python", help="LSP id of the files to read (default: %(default)s)"
    )
    parser.add_argument(
        "--share", type=share, default=0.1, help="of the text to hold out (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=amount, default=3.0, help="most passes over the files (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=amount, default=10.0, help="most time in all, about (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=index, default=0, help="0 for as many as there are idle cores (default)"
    )
    parser.add_argument("--format", choices=("int8", "int4", "fp32"), default="int8")
    parser.add_argument("--seed", type=index, default=1234)
    parser.add_argument(
        "--run", type=Path, metavar="FOLDER", help="folder to work in (default: in the cache)"
    )
    parser.add_argument(
        "--no-use", action="store_true", help="add the model, but leave the choice of models alone"
    )
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run_command=run_adapt)


def run_adapt(arguments: argparse.Namespace) -> int:
    """Adapt, adds the model to the store and chooses it for its language."""
    from cg2_training.adapt.adapt import AdaptOptions, adapt
    from cg2ls.models.folder import locations
    from cg2ls.models.folder.choice import DEFAULT_NAME, note_lasting
    from cg2ls.models.folder.store import ModelStore

    store = ModelStore()
    name = arguments.name or make_default_name(arguments.paths[0])
    run = arguments.run or locations.models_folder().parent / "adapt" / name
    report = adapt(
        arguments.paths,
        store.locate(arguments.base or DEFAULT_NAME),
        arguments.output or run / "result",
        name=name,
        run=run,
        options=AdaptOptions(
            language=arguments.language,
            share=arguments.share,
            epochs=arguments.epochs,
            minutes=arguments.minutes,
            precision=arguments.format,
            seed=arguments.seed,
            threads=arguments.threads,
            progress=not arguments.json,
        ),
    )
    added = store.add(report.folder)
    if not arguments.no_use:
        note_lasting(locations.choices_file(), added.name, language=arguments.language)
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2))
        return 0
    print(
        f"{report.files} files ({report.tokens:,} tokens), {report.heldout_files} held out;"
        f" best after {report.steps} steps, {report.minutes:.1f} minutes in all"
    )
    for label, before, after in (
        ("bits per byte", report.before.bits_per_byte, report.after.bits_per_byte),
        ("nats per infilled token", report.before.infill_nats, report.after.infill_nats),
    ):
        change = f" ({after / before - 1:+.1%})" if before else ""
        print(f"  held-out {label}: {before:.4f} before, {after:.4f} after{change}")
    where = "" if arguments.no_use else f", now used in {arguments.language} documents"
    print(f"{added.name}: added to the models{where}")
    return 0


def make_default_name(folder: Path) -> str:
    """Return a model's name for a repository's folder."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-.")
    return f"{plain or 'repository'}-adapted"
