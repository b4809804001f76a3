"""Load the grammar of a language when a document of the language is completed for the first time.

The grammars of Python, JavaScript and TypeScript are installed with `cg2ls`, the others with `cg2ls[languages]`. A
grammar is a shared library inside its wheel: nothing is downloaded or compiled at run time.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.trees import ParserSteps, Trees
from cg2ls.workspace.languages import normalize_language

if TYPE_CHECKING:
    from tree_sitter import Language

MAX_REMEMBERED = 8
"""Number of pieces of code for which the result of the parser is kept."""

MAX_DEPTH = 100
"""Number of nodes around a place that are returned; outer nodes say nothing about the place itself."""

CLASS_WRAPPER = ("class _ {\n", "\n}")


@dataclass(frozen=True)
class GrammarWheel:
    """Python package with the grammar of a language, and text that completes a piece of a document for it.

    Attributes:
        module: module to import.
        function: its function that returns the language.
        wrappers: texts to put around a piece that was cut out of a larger construct.
        fillers: code that may replace a line, before a deeper indented line and elsewhere.
    """

    module: str
    function: str = "language"
    wrappers: tuple[tuple[str, str], ...] = ()
    fillers: tuple[str, str] = ("", "")


WHEELS = {
    "c": GrammarWheel("tree_sitter_c"),
    "cpp": GrammarWheel("tree_sitter_cpp", wrappers=(("class _ {\n", "\n};"),)),
    "csharp": GrammarWheel("tree_sitter_c_sharp", wrappers=(CLASS_WRAPPER,)),
    "go": GrammarWheel("tree_sitter_go"),
    "java": GrammarWheel("tree_sitter_java", wrappers=(CLASS_WRAPPER,)),
    "javascript": GrammarWheel("tree_sitter_javascript", wrappers=(CLASS_WRAPPER,)),
    "kotlin": GrammarWheel("tree_sitter_kotlin", wrappers=(CLASS_WRAPPER,)),
    "lua": GrammarWheel("tree_sitter_lua"),
    "php": GrammarWheel("tree_sitter_php", "language_php"),
    "python": GrammarWheel("tree_sitter_python", fillers=("if 1:", "pass")),
    "ruby": GrammarWheel("tree_sitter_ruby"),
    "rust": GrammarWheel("tree_sitter_rust", wrappers=(("impl _ {\n", "\n}"),)),
    "scala": GrammarWheel("tree_sitter_scala", wrappers=(CLASS_WRAPPER,)),
    "shellscript": GrammarWheel("tree_sitter_bash"),
    "swift": GrammarWheel("tree_sitter_swift", wrappers=(CLASS_WRAPPER,)),
    "typescript": GrammarWheel("tree_sitter_typescript", "language_typescript", wrappers=(CLASS_WRAPPER,)),
}
"""Grammars by LSP language id; dialects are in `DIALECT_FUNCTIONS`."""

DIALECT_FUNCTIONS = {"typescriptreact": "language_tsx", "tsx": "language_tsx"}
"""Dialects for which a wheel contains a separate grammar."""


class Grammar:
    """Parser for the pieces of one document, fastest for a piece that differs little from the last.

    Args:
        wheel: source of the grammar.
        language: the grammar as tree-sitter's object.
    """

    def __init__(self, wheel: GrammarWheel, language: Language) -> None:
        from tree_sitter import Parser

        self.wheel = wheel
        wrappers = (("", ""), *wheel.wrappers)
        self._trees = [(head, tail, Trees(Parser(language))) for head, tail in wrappers]
        self._around = Trees(Parser(language))
        self.parses_again = lru_cache(maxsize=MAX_REMEMBERED)(self.parses)
        """`parses`, for code that is checked at every key."""

    def parses(self, code: str, steps: ParserSteps | None = None) -> bool:
        """Return whether code is known to have no error, by itself or inside one of the wrappers.

        Args:
            code: code of the language.
            steps: limit of the work; by default that of one piece of code.
        """
        steps = steps or ParserSteps()
        return any(trees.parses(_encode(head + code + tail), steps) for head, tail, trees in self._trees)

    def node_types_at(self, code: str, offset: int) -> list[str]:
        """Return the types of the nodes around the character before an offset, the innermost first.

        The list is empty if parsing would take too many steps.

        Args:
            code: code of the language, perhaps with errors.
            offset: in code points, above 0.
        """
        end = len(_encode(code[:offset]))
        tree = self._around.parse(_encode(code))
        node = None if tree is None else tree.root_node.descendant_for_byte_range(end - 1, end - 1)
        found: list[str] = []
        while node is not None and len(found) < MAX_DEPTH:
            found.append(node.type)
            node = node.parent
        return found


def _encode(code: str) -> bytes:
    return code.encode("utf-8", errors="replace")


def load_grammar(language: str) -> Grammar | None:
    """Return a new parser for an LSP language id; None if no grammar is installed for it."""
    name = normalize_language(language)
    wheel = WHEELS.get(name)
    if wheel is None:
        return None
    loaded = _load_language(wheel.module, DIALECT_FUNCTIONS.get(language.lower(), wheel.function))
    return None if loaded is None else Grammar(wheel, loaded)


@lru_cache
def _load_language(module: str, function: str) -> Language | None:
    try:
        import tree_sitter

        return tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except (
        ImportError,
        AttributeError,
        ValueError,
    ):  # not installed, or built for another version of tree-sitter
        return None
