"""`cg2-train corpus`: build corpus files from packages, folders, repositories and dumps."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cg2_training.cli.arguments import index
from cg2ls.commandline import add_command_group

BUILD_EXAMPLE = """\
example:
  cg2-train corpus build training/manifests/python-permissive.toml -o runs/corpus
"""
COLLECT_EXAMPLE = """\
examples:
  cg2-train corpus collect ~/src/project --licence own -o runs/corpus
  cg2-train corpus collect dumps/python.parquet --benchmark HumanEval.jsonl -o runs/corpus --json
  cg2-train corpus collect sources.toml -o runs/corpus

A collection is a TOML file with a table for each source:

  benchmarks = ["HumanEval.jsonl"]
  [source.code]
  path = "dumps/python/*.parquet"
  [source.text]
  path = "~/src/project/docs"
  content = "text"
  licence = "own"
"""
PIN_EXAMPLE = """\
example:
  cg2-train corpus pin attrs requests==2.34.2 npm:lodash npm:ws@8.18.0 debian:jansson
"""


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Add the commands that build a corpus."""
    commands = add_command_group(parser, runs_as="run_command")
    plain = argparse.RawDescriptionHelpFormatter
    collect = commands.add_parser(
        "collect",
        help="read, clean and deduplicate folders, git repositories, archives and dumps",
        epilog=COLLECT_EXAMPLE,
        formatter_class=plain,
    )
    _add_collect_options(collect)
    build = commands.add_parser(
        "build",
        help="fetch, check, clean and deduplicate the packages of a manifest",
        epilog=BUILD_EXAMPLE,
        formatter_class=plain,
    )
    build.add_argument("manifest", type=Path)
    build.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    build.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="folder for fetched packages (default: cache next to the output)",
    )
    build.set_defaults(run_command=_run_build)
    pin = commands.add_parser(
        "pin",
        help="print manifest entries with hashes for packages",
        epilog=PIN_EXAMPLE,
        formatter_class=plain,
    )
    pin.add_argument(
        "names", nargs="+", metavar="NAME", help="name==version, npm:name@version or debian:name=version"
    )
    pin.set_defaults(run_command=_run_pin)


def _add_collect_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="SOURCE", help="paths, or one collection (TOML)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--licence", default="", help="SPDX expression of files that state no licence; own for your own files"
    )
    parser.add_argument(
        "--content", choices=("code", "text"), default="code", help="source code or natural language"
    )
    parser.add_argument(
        "--heldout",
        type=float,
        default=0.02,
        metavar="PART",
        help="part of the documents to hold out, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--benchmark",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="JSON lines whose items are dropped, in the layout of HumanEval, MBPP, SAFIM or a corpus file",
    )
    parser.add_argument("--executor", choices=("local", "slurm", "ray"), default="local")
    parser.add_argument(
        "--workers",
        type=index,
        default=0,
        help="tasks that run at the same time (default: one per processor)",
    )
    parser.add_argument(
        "--tasks",
        type=index,
        default=0,
        help="number of tasks that share the work; it does not change the corpus",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of a cluster, such as partition=cpu",
    )
    parser.add_argument("--json", action="store_true", help="print the whole report")
    parser.set_defaults(run_command=_run_collect)


def _run_collect(arguments: argparse.Namespace) -> int:
    from cg2_training.corpus.collect import collect
    from cg2_training.corpus.collection import collection_from_paths, load_collection
    from cg2_training.errors import CorpusError

    if [path.suffix for path in arguments.sources] == [".toml"]:
        collection = load_collection(arguments.sources[0])
        if arguments.benchmark or arguments.licence:
            raise CorpusError("a collection contains its licences and benchmarks; set them in its file.")
    else:
        collection = collection_from_paths(
            arguments.sources,
            arguments.benchmark,
            licence=arguments.licence,
            content=arguments.content,
            heldout=arguments.heldout,
        )
    options = {}
    for option in arguments.option:
        name, separator, value = option.partition("=")
        if not separator:
            raise CorpusError(f"--option {option!r} must have the form name=value.")
        options[name] = value
    report = collect(
        collection,
        arguments.output,
        executor=arguments.executor,
        workers=arguments.workers,
        tasks=arguments.tasks,
        options=options,
    )
    if report is None:
        print(f"The jobs are submitted to Slurm; the last one writes {arguments.output}.")
    elif arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print(format_summary(report))
    return 0


def format_summary(report: Mapping[str, Any]) -> str:
    """Return a table of kept and dropped documents by source."""
    from cg2ls.commandline import aligned

    rows = [["source", "read", "kept", "held out", "MB kept", "dropped for"]]
    for name, source in report["sources"].items():
        reasons = sorted(source["dropped"].items(), key=lambda item: -item[1])
        rows.append(
            [
                name,
                f"{source['read_files']:,}",
                f"{source['files']['train']:,}",
                f"{source['files']['heldout']:,}",
                f"{sum(source['bytes'].values()) / 1e6:,.1f}",
                ", ".join(f"{reason} {count:,}" for reason, count in reasons) or "-",
            ]
        )
    lines = [aligned(rows, right=(1, 2, 3, 4))]
    if report["redacted"]:
        redacted = ", ".join(f"{what} in {count:,}" for what, count in report["redacted"].items())
        lines.append(f"redacted: {redacted} documents")
    if not report["files"]["heldout"]:
        lines.append(
            "No documents are held out, so a model cannot be evaluated; increase --heldout, for example to 0.1."
        )
    return "\n".join(lines)


def _run_build(arguments: argparse.Namespace) -> int:
    from cg2_training.corpus.collect import build_corpus

    report = build_corpus(arguments.manifest, arguments.output, cache=arguments.cache)
    print(json.dumps(report, indent=2))
    return 0


def _run_pin(arguments: argparse.Namespace) -> int:
    from cg2_training.corpus.packages import pin_any

    print(pin_any(arguments.names))
    return 0
