"""Command `cg2-train adapt`."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from cg2_training.cli.arguments import amount, index, share

EXAMPLE = """\
example: adapt the shipped model to your repository, and use the result in Python files:
  cg2-train adapt ~/src/project
A tenth of the text is held out. A model that is no better on it is not exported (exit status 3).
To return to the shipped model: cg2ls models use default --language python
"""


def add_adapt(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `adapt`."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="repositories, or folders in them"
    )
    parser.add_argument(
        "--from", dest="base", metavar="MODEL", help="model to start from (default: the shipped one)"
    )
    parser.add_argument(
        "--name", help="name of the new model (default: the first folder's name and -adapted)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="also write the model folder here"
    )
    parser.add_argument(
        "--language", default="python", help="LSP id of the files to read (default: %(default)s)"
    )
    parser.add_argument(
        "--share", type=share, default=0.1, help="share of the text to hold out (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=amount, default=3.0, help="maximum passes over the files (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=amount,
        default=10.0,
        help="approximate maximum of the total time (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=index, default=0, help="CPU threads; 0 for the number of idle cores (default)"
    )
    parser.add_argument(
        "--format",
        choices=("int8", "int4", "fp32"),
        default="int8",
        help="format of the model folder (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=index,
        default=1234,
        help="seed of the order and the corruptions (default: %(default)s)",
    )
    parser.add_argument(
        "--run", type=Path, metavar="FOLDER", help="folder for intermediate files (default: in the cache)"
    )
    parser.add_argument(
        "--no-use", action="store_true", help="add the model without choosing it for the language"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run_command=run_adapt)


def run_adapt(arguments: argparse.Namespace) -> int:
    """Adapt a model, add it to the store and choose it for its language."""
    from cg2_training.adapt.adapt import AdaptPaths, adapt
    from cg2_training.adapt.recipe import AdaptOptions
    from cg2ls.models.folder import locations
    from cg2ls.models.folder.choice import DEFAULT_NAME, note_lasting
    from cg2ls.models.folder.store import ModelStore

    store = ModelStore()
    name = arguments.name or make_default_name(arguments.paths[0])
    run = arguments.run or locations.models_folder().parent / "adapt" / name
    report = adapt(
        AdaptPaths(
            folders=arguments.paths,
            base=store.locate(arguments.base or DEFAULT_NAME),
            out=arguments.output or run / "result",
            run=run,
        ),
        name=name,
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
        f" best weights after {report.steps} steps; {report.minutes:.1f} minutes in total"
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
    """Return the name of the model for a repository's folder."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-.")
    return f"{plain or 'repository'}-adapted"
