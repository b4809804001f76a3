"""`cg2ls memory`: what completion remembers of a workspace, why, and how well that helps."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cg2ls.commandline import Parser
from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.retrieval.memory import Memory
    from cg2ls.retrieval.memory.store import Store

EPILOG = """\
examples:
  cg2ls memory build                        read the workspace now, as the server does in the background
  cg2ls memory status                       what is remembered, and what was left out and why
  cg2ls memory explain src/a.py --at 12:5   which files vote for which token there, and how strongly
  cg2ls memory tune                         fit the weights to this repository, if held-out files gain by it
  cg2ls memory clear
"""

Json = dict[str, Any]


class MemoryCommandError(Cg2Error):
    """Arguments that memory can do nothing with."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command and its own commands."""
    made = commands.add_parser(
        "memory",
        help="see, build, explain, fit and clear what completion remembers of a workspace",
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
    shared.add_argument("--model", metavar="NAME_OR_FOLDER", help="model whose tokens count")
    shared.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="as in .gitignore")
    shared.add_argument(
        "--dependencies",
        action="store_true",
        help="let installed packages take part, as `memoryDependencies` does",
    )
    shared.add_argument("--json", action="store_true", help="print JSON")
    inner = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, work, purpose in (
        ("status", status, "what is remembered, and what was left out"),
        ("build", build, "bring the index up to date"),
        ("clear", clear, "remove the index"),
        ("explain", explain, "which files vote for which token at a place"),
        ("tune", tune, "fit the weights of the mixture"),
        ("bench", bench, "measure building, edits and the cost of a token"),
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
                "--positions", type=int, default=600, metavar="N", help="places to learn from"
            )
            command.add_argument("--seed", type=int, default=0, metavar="N")
            command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the weights there")
        if name == "bench":
            command.add_argument("--tokens", type=int, default=5_000_000, metavar="N", help="tokens to index")
            command.add_argument(
                "--keys",
                type=int,
                default=0,
                metavar="N",
                help="type so many keys too, in turns alone and while an index is built",
            )


def status(arguments: argparse.Namespace) -> int:
    """Prints what lies in the indexes, without reading any file of the workspace."""
    arguments.dependencies = True
    memory = _memory(arguments)
    found: Json = {
        "root": str(memory.workspace.root),
        "language": memory.language,
        "weights": memory.mixture_origin,
        **_held(memory.store),
    }
    if memory.installed and memory.packages_store:
        packages = {"root": str(memory.installed.workspace.root), **_held(memory.packages_store)}
        found["dependencies"] = packages
    return _print(found, arguments)


def _held(store: Store) -> Json:
    """What lies in one index."""
    from cg2ls.retrieval.memory.store import StoreError

    found: Json = {}
    try:
        found["folder"] = str(store.folder)
        index = store.read()
        size = sum(file.stat().st_size for file in store.folder.iterdir())
    except StoreError as error:
        return found | {"problem": str(error)}
    read = [file for file in index.files if file.tokens]
    found |= {"files": len(read), "left_out": len(index.files) - len(read), "tokens": index.tokens}
    return found | {"bytes": size, "bytes_per_token": round(size / max(1, index.tokens), 2)}


def _place_of(store: Store) -> str:
    return str(store.folder) if store.has_place else "none"


def build(arguments: argparse.Namespace) -> int:
    """Reads what changed, and prints what was read and what was refused, by reason."""
    memory = _memory(arguments)
    refused: Counter[str] = Counter()
    began = perf_counter()
    memory.refresh(refused=lambda refusal: refused.update([refusal.reason]))
    found = {
        "tokens": memory.indexed_tokens,
        "tokens_of_dependencies": memory.installed_tokens,
        "seconds": round(perf_counter() - began, 2),
        "folder": _place_of(memory.store),
        "refused": dict(refused),
    }
    return _print(found, arguments)


def clear(arguments: argparse.Namespace) -> int:
    """Removes the index and the fitted weights."""
    memory = _memory(arguments)
    found: Json = {"folder": _place_of(memory.store), "removed": memory.store.clear()}
    if memory.packages_store:
        found["dependencies_removed"] = memory.packages_store.clear()
    return _print(found, arguments)


def explain(arguments: argparse.Namespace) -> int:
    """Prints the votes for the next token at a place, the weightiest first.

    Raises:
        CompleteError: the file or the place does not exist.
    """
    from cg2ls.cli.complete import _at, offset_of, read
    from cg2ls.completion.prompt.token_healing import heal
    from cg2ls.engine import Engine
    from cg2ls.models.folder.locate import locate_model
    from cg2ls.retrieval.memory.explain import explained

    try:
        at = _at(arguments.at)
    except argparse.ArgumentTypeError as error:
        raise MemoryCommandError(f"--at: {error}.") from None
    text = read(arguments.file)
    offset = offset_of(text, at, arguments.file)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    memory = _memory(arguments)
    memory.refresh()
    located = locate_model(flag=arguments.model, language=arguments.language)
    with Engine.open(located.folder) as engine:
        healed = heal(text[text.rfind("\n", 0, offset) + 1 : offset])
        rows = explained(engine, memory, arguments.file, text, offset, healed.forced)
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    from cg2ls.table import aligned

    table = [["token", "probability", "of the model", "votes", "longest", "from"]]
    for row in rows:
        places = ", ".join(f"{name or 'this file'} {share:.0%}" for name, share in row["files"].items())
        numbers = f"{row['probability']:.3f}", f"{row['model']:.3f}", str(row["votes"]), str(row["longest"])
        table.append([repr(row["token"]), *numbers, places])
    print(aligned(table, right=(1, 2, 3, 4)))
    return 0


def tune(arguments: argparse.Namespace) -> int:
    """Fits the weights to repositories; they are kept only if files that were held out gain."""
    from cg2ls.engine import Engine
    from cg2ls.evaluation.quality.positions import sample
    from cg2ls.evaluation.quality.teacher_forcing import examples, learn
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect
    from cg2ls.models.folder.locate import locate_model
    from cg2ls.retrieval.memory.tune import tuned
    from cg2ls.workspace.languages import LANGUAGES

    kept = arguments.output or _memory(arguments).store.mixture
    paths = arguments.paths or [_root(arguments)]
    located = locate_model(flag=arguments.model, language=arguments.language)
    with Engine.open(located.folder) as engine:
        sources = collect(paths, LANGUAGES, {arguments.language})
        memories = ReplayMemory(paths, sources, engine.tokenizer, "on")
        print(f"cg2ls: asking at {arguments.positions} places ...", file=sys.stderr, flush=True)
        lessons = learn(engine, memories, sample(sources, arguments.positions, arguments.seed))
        memories.close()
    found = tuned(examples(lessons))
    if found.helps or arguments.output is not None:
        from cg2ls.files import write_atomically

        write_atomically(kept, found.mixture.to_json())
    report = found.to_json() | {"places": arguments.positions, "weights": str(kept) if found.helps else ""}
    return _print(report, arguments)


def bench(arguments: argparse.Namespace) -> int:
    """Measures on the workspace's own text, repeated until there is enough of it."""
    from cg2ls.evaluation.latency.memory_costs import measured

    memory = _memory(arguments)
    found: Json = {"load": round(os.getloadavg()[0], 2), **measured(memory, arguments.tokens)}
    if arguments.keys:
        from cg2ls.engine import Engine
        from cg2ls.evaluation.latency.memory_costs import typed_beside_a_build
        from cg2ls.models.folder.locate import locate_model

        located = locate_model(flag=arguments.model, language=arguments.language)
        with Engine.open(located.folder) as engine:
            found["key_ms"] = typed_beside_a_build(engine, memory, arguments.keys)
    return _print(found, arguments)


def _root(arguments: argparse.Namespace) -> Path:
    """The workspace's folder.

    Raises:
        MemoryCommandError: it is no folder.
    """
    try:
        root: Path = arguments.root.resolve()
    except (OSError, RuntimeError):  # the working directory was removed; a loop of links
        raise MemoryCommandError(
            f"{arguments.root} cannot be found from here; name the workspace with --root and its full path."
        ) from None
    if not root.is_dir():
        raise MemoryCommandError(f"{arguments.root} is not a folder; name the workspace with --root.")
    return root


def _memory(arguments: argparse.Namespace) -> Memory:
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.description import TOKENIZER
    from cg2ls.models.folder.locate import locate_model
    from cg2ls.retrieval.memory import Memory
    from cg2ls.retrieval.memory.installed_packages import installed
    from cg2ls.workspace import ReadingRules, Workspace

    root = _root(arguments)
    located = locate_model(flag=arguments.model, language=arguments.language)
    tokenizer = CodeTokenizer.load(located.folder / TOKENIZER)
    workspace = Workspace(root, ReadingRules(exclude=tuple(arguments.exclude)))
    packages = installed(workspace.root, arguments.language) if arguments.dependencies else None
    return Memory(workspace, arguments.language, tokenizer, installed=packages)


def _print(found: Json, arguments: argparse.Namespace) -> int:
    from cg2ls.table import aligned

    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        print(aligned([[name.replace("_", " "), _plain(value)] for name, value in found.items()]))
    return 0


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {said}" for name, said in value.items()) or "none"
    return str(value)
