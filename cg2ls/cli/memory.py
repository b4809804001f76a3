"""`cg2ls memory`: show, build, explain, fit, measure and clear the memory of a workspace."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cg2ls.commandline import Parser, add_command_group
from cg2ls.errors import Cg2Error
from cg2ls.evaluation.progress import progress_bar

if TYPE_CHECKING:
    from cg2ls.retrieval.memory import Memory
    from cg2ls.retrieval.memory.store import Store
    from cg2ls.workspace import Workspace

EPILOG = """\
examples:
  cg2ls memory build                        read the workspace now, as the server does in the background
  cg2ls memory status                       what is remembered, and what was left out
  cg2ls memory explain src/a.py --at 12:5   files that vote for each token there, and how strongly
  cg2ls memory tune                         fit the weights to this repository; kept if held-out files gain
  cg2ls memory clear
"""

NOTHING_YET = "Nothing was read yet; the server reads it in the background, and `cg2ls memory build` now."

Json = dict[str, Any]


class MemoryCommandError(Cg2Error):
    """Arguments that the memory commands cannot use."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands."""
    parser = commands.add_parser(
        "memory",
        help="show, build, explain, fit and clear the memory of a workspace",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = Parser(add_help=False)
    shared.add_argument(
        "--root", type=Path, default=Path(), metavar="FOLDER", help="workspace (default: here)"
    )
    shared.add_argument(
        "--language", default="python", metavar="ID", help="LSP language id (default: python)"
    )
    shared.add_argument("--model", metavar="NAME_OR_FOLDER", help="model whose tokenizer is used")
    shared.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="pattern of files to leave out, as in .gitignore",
    )
    shared.add_argument(
        "--dependencies",
        action="store_true",
        help="include installed packages, as the option `repositoryMemoryDependencies` does",
    )
    shared.add_argument("--json", action="store_true", help="print JSON")
    inner = add_command_group(parser)
    for name, work, purpose in (
        ("status", print_status, "show what is remembered, and what was left out"),
        ("build", build_index, "bring the index up to date"),
        ("clear", clear_index, "remove the index"),
        ("explain", explain_votes, "show which files vote for which token at a place"),
        ("tune", tune_weights, "fit the weights of the votes"),
        ("bench", measure_costs, "measure the cost of building, of edits and of a token"),
    ):
        command = inner.add_parser(name, help=purpose, parents=[shared])
        command.set_defaults(run=work)
        if name == "explain":
            command.add_argument("file", type=Path, metavar="FILE")
            command.add_argument("--at", required=True, metavar="LINE:COL", help="from 1")
        if name == "tune":
            command.add_argument(
                "paths", type=Path, nargs="*", metavar="PATH", help="repositories (default: --root)"
            )
            command.add_argument(
                "--positions", type=int, default=600, metavar="N", help="positions to fit to"
            )
            command.add_argument("--seed", type=int, default=0, metavar="N")
            command.add_argument(
                "-o", "--output", type=Path, metavar="FILE", help="write the weights to this file"
            )
        if name == "bench":
            command.add_argument("--tokens", type=int, default=5_000_000, metavar="N", help="tokens to index")
            command.add_argument(
                "--keys",
                type=int,
                default=0,
                metavar="N",
                help="also type this many keys, in turns alone and while an index is built",
            )


def print_status(arguments: argparse.Namespace) -> int:
    """Print the content of the indexes; of the workspace only files that were left out are read."""
    arguments.dependencies = True
    memory = _open_memory(arguments)
    found: Json = {
        "root": str(memory.workspace.root),
        "language": memory.language,
        "weights": memory.mixture_origin,
        **_describe_index(memory.store, memory.workspace),
    }
    if memory.installed and memory.packages_store:
        place = memory.installed.workspace
        packages = {"root": str(place.root), **_describe_index(memory.packages_store, place)}
        found["dependencies"] = packages
    return _print(found, arguments)


def _describe_index(store: Store, workspace: Workspace) -> Json:
    """Return the facts about one index.

    Args:
        store: where it is.
        workspace: its folder, to say why files were left out.
    """
    from cg2ls.retrieval.memory.store import StoreError

    found: Json = {}
    try:
        found["folder"] = str(store.folder)
        if not store.folder.exists():
            return found | {"note": NOTHING_YET}
        index = store.read()
        size = sum(file.stat().st_size for file in store.folder.iterdir())
    except StoreError as error:
        return found | {"problem": str(error)}
    read = [file for file in index.files if file.tokens]
    left_out = Counter(_find_reason(workspace, file.path) for file in index.files if not file.tokens)
    found |= {"files": len(read), "left_out": dict(left_out), "tokens": index.tokens}
    return found | {"bytes": size, "bytes_per_token": round(size / max(1, index.tokens), 2)}


def _find_reason(workspace: Workspace, name: str) -> str:
    """Return why a file of the workspace has no tokens."""
    from cg2ls.workspace import RefusedError

    try:
        text = workspace.read(workspace.root / name)
    except RefusedError as refused:
        return refused.refusal.reason
    return "changed since" if text.strip() else "empty"


def _describe_folder(store: Store) -> str:
    return str(store.folder) if store.has_place else "none"


def build_index(arguments: argparse.Namespace) -> int:
    """Read what changed; print what was read and what was refused, by reason."""
    memory = _open_memory(arguments)
    refused: Counter[str] = Counter()
    began = perf_counter()
    with progress_bar("files") as show:
        memory.refresh(
            lambda read: show(read.files, read.of), lambda refusal: refused.update([refusal.reason])
        )
    found = {
        "tokens": memory.indexed_tokens,
        "tokens_of_dependencies": memory.installed_tokens,
        "seconds": round(perf_counter() - began, 2),
        "folder": _describe_folder(memory.store),
        "refused": dict(refused),
    }
    if not memory.indexed_tokens:
        found["note"] = f"{memory.workspace.root} has no {memory.language} file that may be read."
    return _print(found, arguments)


def clear_index(arguments: argparse.Namespace) -> int:
    """Remove the index and the fitted weights."""
    memory = _open_memory(arguments)
    found: Json = {"folder": _describe_folder(memory.store), "removed": memory.store.clear()}
    if memory.packages_store:
        found["dependencies_removed"] = memory.packages_store.clear()
    return _print(found, arguments)


def explain_votes(arguments: argparse.Namespace) -> int:
    """Print the votes for the next token at a place, the highest weight first.

    Raises:
        CompleteError: the file or the place does not exist.
    """
    from cg2ls.cli.complete import find_offset, parse_place, read_text
    from cg2ls.completion.prompt.anchor import find_healer
    from cg2ls.engine import Engine
    from cg2ls.models.folder.store import locate_model
    from cg2ls.retrieval.memory.explain import explain

    try:
        at = parse_place(arguments.at)
    except argparse.ArgumentTypeError as error:
        raise MemoryCommandError(f"--at: {error}.") from None
    text = read_text(arguments.file)
    offset = find_offset(text, at, arguments.file)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    memory = _open_memory(arguments)
    memory.refresh()
    located = locate_model(flag=arguments.model, language=arguments.language)
    with Engine.open(located.folder) as engine:
        healed = find_healer(engine.tokenizer)(text[text.rfind("\n", 0, offset) + 1 : offset])
        rows = explain(engine, memory, arguments.file, text, offset, healed.forced)
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    from cg2ls.commandline import aligned

    table = [["token", "probability", "of the model", "votes", "longest", "from"]]
    for row in rows:
        places = ", ".join(f"{name or 'this file'} {share:.0%}" for name, share in row["files"].items())
        numbers = f"{row['probability']:.3f}", f"{row['model']:.3f}", str(row["votes"]), str(row["longest"])
        table.append([repr(row["token"]), *numbers, places])
    print(aligned(table, right=(1, 2, 3, 4)))
    return 0


def tune_weights(arguments: argparse.Namespace) -> int:
    """Fit the weights to repositories; keep them only if held-out files gain."""
    from cg2ls.engine import Engine
    from cg2ls.evaluation.quality.positions import sample_positions
    from cg2ls.evaluation.quality.teacher_forcing import make_examples, observe_tokens
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect_sources
    from cg2ls.models.folder.store import locate_model
    from cg2ls.retrieval.memory.fit_mixture import fit_and_validate
    from cg2ls.workspace.languages import LANGUAGES

    kept = arguments.output or _open_memory(arguments).store.mixture
    paths = arguments.paths or [_find_root(arguments)]
    located = locate_model(flag=arguments.model, language=arguments.language)
    with Engine.open(located.folder) as engine:
        sources = collect_sources(paths, LANGUAGES, {arguments.language})
        memories = ReplayMemory(paths, sources, engine.tokenizer, "on")
        print(f"cg2ls: asking at {arguments.positions} places ...", file=sys.stderr, flush=True)
        observations = observe_tokens(
            engine, memories, sample_positions(sources, arguments.positions, arguments.seed)
        )
        memories.close()
    found = fit_and_validate(make_examples(observations))
    if found.helps or arguments.output is not None:
        from cg2ls.files import write_atomically

        write_atomically(kept, found.mixture.to_json())
    report = found.to_json() | {"places": arguments.positions, "weights": str(kept) if found.helps else ""}
    return _print(report, arguments)


def measure_costs(arguments: argparse.Namespace) -> int:
    """Measure on the workspace's own text, repeated until there is enough of it."""
    from cg2ls.evaluation.latency.memory_costs import measure_memory_costs

    memory = _open_memory(arguments)
    found: Json = {"load": round(os.getloadavg()[0], 2), **measure_memory_costs(memory, arguments.tokens)}
    if arguments.keys:
        from cg2ls.engine import Engine
        from cg2ls.evaluation.latency.memory_costs import time_keys_while_building
        from cg2ls.models.folder.store import locate_model

        located = locate_model(flag=arguments.model, language=arguments.language)
        with Engine.open(located.folder) as engine:
            found["key_ms"] = time_keys_while_building(engine, memory, arguments.keys)
    return _print(found, arguments)


def _find_root(arguments: argparse.Namespace) -> Path:
    """Return the workspace's folder.

    Raises:
        MemoryCommandError: it is not a folder.
    """
    try:
        root: Path = arguments.root.resolve()
    except (OSError, RuntimeError):  # the working directory was removed; a loop of links
        raise MemoryCommandError(
            f"{arguments.root} cannot be found from here; give --root the full path of the workspace."
        ) from None
    if not root.is_dir():
        raise MemoryCommandError(f"{arguments.root} is not a folder; name the workspace with --root.")
    return root


def _open_memory(arguments: argparse.Namespace) -> Memory:
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import TOKENIZER, ModelDescription
    from cg2ls.models.folder.store import locate_model
    from cg2ls.retrieval.memory import Memory
    from cg2ls.retrieval.memory.installed_packages import installed
    from cg2ls.workspace import ReadingRules, Workspace

    root = _find_root(arguments)
    located = locate_model(flag=arguments.model, language=arguments.language)
    tokenizer = CodeTokenizer.load(located.folder / TOKENIZER, ModelDescription.read(located.folder).tokens)
    workspace = Workspace(root, ReadingRules(exclude=tuple(arguments.exclude)))
    packages = installed(workspace.root, arguments.language) if arguments.dependencies else None
    return Memory(workspace, arguments.language, tokenizer, installed=packages)


def _print(found: Json, arguments: argparse.Namespace) -> int:
    from cg2ls.commandline import aligned

    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        print(aligned([[name.replace("_", " "), _format_value(value)] for name, value in found.items()]))
    return 0


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {said}" for name, said in value.items()) or "none"
    return str(value)
