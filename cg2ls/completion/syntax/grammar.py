"""One grammar wheel a language, imported when a document of the language is completed for the first time.

Python, JavaScript and TypeScript come with `cg2ls`, the others with `cg2ls[languages]`. A grammar is a shared library
inside its wheel: nothing is downloaded or compiled at run time.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.languages import language_of
from cg2ls.completion.syntax.trees import ParserSteps, Trees

if TYPE_CHECKING:
    from tree_sitter import Language

REMEMBERED = 8
"""Pieces of code of which it is remembered whether they parse."""

MAX_DEPTH = 100
"""Nodes around a place that are named; deeper nesting says nothing about the place itself."""

CLASS = ("class _ {\n", "\n}")


@dataclass(frozen=True)
class Wheel:
    """Where a language's grammar is found, and how a piece of a document is made whole for it.

    Attributes:
        module: to import.
        function: in it, which gives the language.
        wrappers: texts to put around a piece that was cut out of something larger.
        fillers: what may stand for a line that is left out, before a deeper indented line and elsewhere.
    """

    module: str
    function: str = "language"
    wrappers: tuple[tuple[str, str], ...] = ()
    fillers: tuple[str, str] = ("", "")


WHEELS = {
    "c": Wheel("tree_sitter_c"),
    "cpp": Wheel("tree_sitter_cpp", wrappers=(("class _ {\n", "\n};"),)),
    "csharp": Wheel("tree_sitter_c_sharp", wrappers=(CLASS,)),
    "go": Wheel("tree_sitter_go"),
    "java": Wheel("tree_sitter_java", wrappers=(CLASS,)),
    "javascript": Wheel("tree_sitter_javascript", wrappers=(CLASS,)),
    "kotlin": Wheel("tree_sitter_kotlin", wrappers=(CLASS,)),
    "lua": Wheel("tree_sitter_lua"),
    "php": Wheel("tree_sitter_php", "language_php"),
    "python": Wheel("tree_sitter_python", fillers=("if 1:", "pass")),
    "ruby": Wheel("tree_sitter_ruby"),
    "rust": Wheel("tree_sitter_rust", wrappers=(("impl _ {\n", "\n}"),)),
    "scala": Wheel("tree_sitter_scala", wrappers=(CLASS,)),
    "shellscript": Wheel("tree_sitter_bash"),
    "swift": Wheel("tree_sitter_swift", wrappers=(CLASS,)),
    "typescript": Wheel("tree_sitter_typescript", "language_typescript", wrappers=(CLASS,)),
}
"""By LSP language id; dialects in `DIALECT_FUNCTIONS`."""

DIALECT_FUNCTIONS = {"typescriptreact": "language_tsx", "tsx": "language_tsx"}
"""Dialects for which a wheel has a grammar of its own."""


class Grammar:
    """A language's parser for the pieces of one document, fastest for a piece that differs little from the last.

    Args:
        wheel: what it was made from.
        language: of tree-sitter.
    """

    def __init__(self, wheel: Wheel, language: Language) -> None:
        from tree_sitter import Parser

        self.wheel = wheel
        wrappers = (("", ""), *wheel.wrappers)
        self._trees = [(head, tail, Trees(Parser(language))) for head, tail in wrappers]
        self._around = Trees(Parser(language))
        self.parses_again = lru_cache(maxsize=REMEMBERED)(self.parses)
        """`parses`, for code that is asked about at every key."""

    def parses(self, code: str, steps: ParserSteps | None = None) -> bool:
        """Whether code is known to have no error, by itself or inside one of the wrappers.

        Args:
            code: of the language.
            steps: what parsing may cost; by default as much as one piece of code may.
        """
        steps = steps or ParserSteps()
        return any(trees.sound(_encoded(head + code + tail), steps) for head, tail, trees in self._trees)

    def kinds_at(self, code: str, offset: int) -> list[str]:
        """Names of the grammar's nodes that hold the character before an offset, the innermost first.

        None if parsing would take too many steps.

        Args:
            code: of the language, perhaps with errors.
            offset: in code points, above 0.
        """
        end = len(_encoded(code[:offset]))
        tree = self._around.tree(_encoded(code))
        node = None if tree is None else tree.root_node.descendant_for_byte_range(end - 1, end - 1)
        found: list[str] = []
        while node is not None and len(found) < MAX_DEPTH:
            found.append(node.type)
            node = node.parent
        return found


def _encoded(code: str) -> bytes:
    return code.encode("utf-8", errors="replace")


def grammar_of(language: str) -> Grammar | None:
    """A parser for a language by its LSP id; None if its wheel is not installed or there is none."""
    name = language_of(language)
    wheel = WHEELS.get(name)
    if wheel is None:
        return None
    made = _language(wheel.module, DIALECT_FUNCTIONS.get(language.lower(), wheel.function))
    return None if made is None else Grammar(wheel, made)


@lru_cache
def _language(module: str, function: str) -> Language | None:
    try:
        import tree_sitter

        return tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except (ImportError, AttributeError, ValueError):  # not there, or made for another tree-sitter
        return None
