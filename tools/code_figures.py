"""Print figures about the code: cycles, modules, docstrings, sentence lengths, files that run per request.

python tools/code_figures.py [--json] [--no-trace]
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from import_graph import ROOT, SOURCES, cycles, import_graph, product_files

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SENTENCE_WORDS = 25
NOT_VERBS = frozenset(
    {
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "what",
        "which",
        "who",
        "whose",
        "how",
        "when",
        "where",
        "why",
        "whether",
        "one",
        "two",
        "all",
        "any",
        "both",
        "each",
        "every",
        "no",
        "none",
        "some",
        "more",
        "most",
        "many",
        "much",
        "other",
        "others",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "of",
        "on",
        "to",
        "with",
        "and",
        "but",
        "if",
        "its",
        "it",
        "his",
        "their",
        "there",
        "here",
        "first",
        "last",
        "next",
        "only",
        "also",
        "always",
        "never",
        "not",
        "true",
        "false",
    }
)
"""First words of docstrings that are certainly not verbs."""

KEY_PRESS = """
import os, sys, threading
ran = set()
def note(frame, event, _):
    if event == "call":
        ran.add(frame.f_code.co_filename)
def forget(*_):
    ran.clear()
def write(*_):
    with open(os.environ["CG2LS_RAN"], "w") as file:
        file.write("\\n".join(sorted(ran)))
import signal
signal.signal(signal.SIGUSR1, forget)
signal.signal(signal.SIGUSR2, write)
threading.setprofile(note)
sys.setprofile(note)
from cg2ls.cli.main import main
sys.exit(main([]))
"""
CONVERSION = """
import os, sys, threading
from pathlib import Path
{synthetic}
folder = Path(sys.argv[1])
write_random_checkpoint(folder / "checkpoint", CodeGenConfig(
    n_layer=1, n_embd=32, n_head=2, rotary_dim=16, n_positions=256, vocab_size=512, n_inner=64, qkv_groups=2))
ran = set()
def note(frame, event, _):
    if event == "call" and frame.f_code.co_name != "<module>":
        ran.add(frame.f_code.co_filename)
from cg2_quantize.cli import main
threading.setprofile(note)
sys.setprofile(note)
status = main([str(folder / "checkpoint"), "-o", str(folder / "model"), "--format", "int8"])
sys.setprofile(None)
open(os.environ["CG2LS_RAN"], "w").write("\\n".join(sorted(ran)))
sys.exit(status)
"""
"""Programs that record the files whose functions ran; read by `_ours`."""


def main() -> int:
    """Print the figures as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-trace", action="store_true", help="leave out the figures that run the product")
    arguments = parser.parse_args()
    figures = static_figures() | ({} if arguments.no_trace else traced_figures())
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return 0
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<44} {value}")
    return 0


def static_figures() -> dict[str, object]:
    """Count the figures that need only the source."""
    files = product_files()
    trees = {module: ast.parse(path.read_text("utf-8")) for module, path in files.items()}
    classes = Counter(
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    docstrings = [text for tree in trees.values() for text in public_docstrings(tree)]
    long, sentences = long_sentences()
    found = cycles(import_graph())
    return {
        "product_modules": len(files),
        "longest_module_lines": max(len(path.read_text("utf-8").splitlines()) for path in files.values()),
        "import_cycles": len(found),
        "modules_in_cycles": sum(map(len, found)),
        "class_names_defined_twice": sum(1 for count in classes.values() if count > 1),
        "public_function_docstrings": len(docstrings),
        "docstrings_opening_with_a_verb": sum(map(opens_with_verb, docstrings)),
        "sentences_in_docs": sentences,
        f"sentences_over_{MAX_SENTENCE_WORDS}_words": long,
    }


def public_docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of public functions and methods; those of properties are noun phrases by PEP 257."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(each).rsplit(".", 1)[-1] for each in node.decorator_list}
        text = ast.get_docstring(node)
        if text and not decorators & {"property", "cached_property", "setter", "overload"}:
            yield text


def opens_with_verb(docstring: str) -> bool:
    """Tell whether a docstring begins with a verb in the imperative, as far as its first word shows."""
    match = re.match(r"[A-Z][a-z-]+\b", docstring)
    if match is None:
        return False
    word = match.group().lower()
    return (word not in NOT_VERBS and not word.endswith(("ing", "s", "ed"))) or word in {
        "process",
        "pass",
        "need",
    }


def long_sentences() -> tuple[int, int]:
    """Count the sentences of the documentation, and those that are too long; tables and code do not count."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "editors").glob("*/README.md")]
    counts = [words_of(sentence) for page in pages for sentence in sentences_of(page)]
    return sum(count > MAX_SENTENCE_WORDS for count in counts), sum(count > 0 for count in counts)


def sentences_of(page: Path) -> Iterator[str]:
    """Yield a page's sentences, without those in tables and code."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    lines = [line for line in text.splitlines() if not line.startswith(("    ", "|", "#", "!"))]
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)", "\n".join(lines)):
        yield from re.split(r"(?<=[.!?:;])\s+", block)


def words_of(sentence: str) -> int:
    """Count a sentence's words; code and a link's address count as one."""
    return len(re.findall(r"[A-Za-z][\w'-]*", re.sub(r"`[^`]*`|\(http[^)]*\)", "code", sentence)))


def traced_figures() -> dict[str, object]:
    """Count the product files whose functions run for one key press, and for one conversion."""
    press, conversion = _key_press_files(), _conversion_files()
    return {
        "files_run_by_a_key_press": len(press),
        "files_by_package": dict(Counter("/".join(name.split("/")[:2]) for name in press)),
        "files_run_by_a_conversion": len(conversion),
    }


def _key_press_files() -> list[str]:
    from cg2ls.evaluation.lsp_client import LspClient

    with tempfile.TemporaryDirectory() as folder:
        ran = Path(folder, "ran")
        text = "import os\n\n\ndef read(path):\n    with open(path) as file:\n        return file.re\n"
        env = os.environ | {
            "CG2LS_RAN": str(ran),
            "HOME": folder,
            "XDG_STATE_HOME": folder,
            "XDG_CACHE_HOME": folder,
        }
        with LspClient([sys.executable, "-c", KEY_PRESS], env=env, timeout=120) as client:
            client.initialize()
            client.open("file:///project/module.py", text)
            client.wait_for("window/logMessage", "ready")
            client.inline("file:///project/module.py", 5, 22)
            client.process.send_signal(signal.SIGUSR1)  # forget the files that ran so far
            place = {"line": 5, "character": 22}
            client.change(
                "file:///project/module.py", 2, {"range": {"start": place, "end": place}, "text": "w"}
            )
            client.inline("file:///project/module.py", 5, 23)
            client.process.send_signal(signal.SIGUSR2)  # write the files, before those of leaving run
            client.request("shutdown", None)
            client.notify("exit", None)
            client.process.wait(60)
        return _ours(ran)


def _conversion_files() -> list[str]:
    files = product_files()
    imports = "\n".join(
        f"from {next(name for name in files if name.endswith(module))} import {what}"
        for module, what in ((".synthetic", "write_random_checkpoint"), ("codegen2.config", "CodeGenConfig"))
    )
    with tempfile.TemporaryDirectory() as folder:
        ran = Path(folder, "ran")
        command = [sys.executable, "-c", CONVERSION.replace("{synthetic}", imports), folder]
        subprocess.run(
            command, check=True, env=os.environ | {"CG2LS_RAN": str(ran)}, stdout=subprocess.DEVNULL
        )
        return _ours(ran)


def _ours(ran: Path) -> list[str]:
    """Return the product files among those that ran, as paths from the root."""
    folders = [(folder / package).resolve() for package, folder in SOURCES.items()]
    paths = [Path(line) for line in ran.read_text("utf-8").splitlines() if line.endswith(".py")]
    return [
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.name != "__init__.py" and any(path.is_relative_to(folder) for folder in folders)
    ]


if __name__ == "__main__":
    sys.exit(main())
