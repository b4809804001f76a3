"""Grammars of languages: loaded when a document of the language is first completed, and parsing with them.

The grammars of Python, JavaScript and TypeScript are installed with `cg2ls`, the others with `cg2ls[languages]`. A
grammar is a shared library inside its wheel: nothing is downloaded or compiled at run time.

Around a cursor, the same piece of a document is parsed at every key and with every answer. Tree-sitter takes the tree
of an earlier version and parses only what an edit touched (Wagner, "Practical Algorithms for Incremental Software
Development Environments", 1998). It parses code without errors in time proportional to its length. Code with errors can
take the square of that, so the number of steps is limited.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from cg2ls.difference import difference
from cg2ls.workspace.languages import normalize_language

if TYPE_CHECKING:
    from collections.abc import Callable

    from tree_sitter import Language, Parser, Point, Tree


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


READ_BYTES = 4096
"""Bytes given to the parser at once."""

MAX_PARSER_STEPS = 400
"""Progress reports of tree-sitter, one per hundred operations, that one piece of code may take.

The largest region of ordinary code takes about 100.
"""


class ParserSteps:
    """Number of steps that one or several parses may take together.

    Args:
        max_steps: the number of steps.

    Attributes:
        left: steps that remain; below 0 once a parse was stopped.
    """

    def __init__(self, max_steps: int = MAX_PARSER_STEPS) -> None:
        self.left = max_steps

    @property
    def are_used_up(self) -> bool:
        """Whether a parse was stopped, so that its result means nothing."""
        return self.left < 0

    def spend(self, _: int, __: bool) -> bool:
        """Count one step; tree-sitter's progress callback.

        Returns:
            Whether to stop.
        """
        self.left -= 1
        return self.left < 0


class Trees:
    """Parser of the versions of one piece of code, each from the tree of the last version without errors.

    It may be used from several threads.

    Args:
        parser: of tree-sitter, for this object alone.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._lock = Lock()
        self._code = b""
        self._tree: Tree | None = None

    def parses(self, code: bytes, steps: ParserSteps | None = None) -> bool:
        """Return whether code is known to have no error; False if parsing it would take too many steps."""
        tree = self.parse(code, steps)
        return tree is not None and not tree.root_node.has_error

    def parse(self, code: bytes, steps: ParserSteps | None = None) -> Tree | None:
        """Return the tree of code that may have errors; None if parsing it would take too many steps.

        Args:
            code: the code in UTF-8.
            steps: limit of the work; by default that of one piece of code.
        """
        spend = (steps or ParserSteps()).spend
        with self._lock:
            tree = self._parse_from(self._edit_last_tree(code), code, spend)
            if tree is not None and not tree.root_node.has_error:
                self._code, self._tree = code, tree
            return tree

    def _parse_from(self, old: Tree | None, code: bytes, spend: Callable[[int, bool], bool]) -> Tree | None:
        view, chunks = memoryview(code), []

        def read(start: int, _: Point) -> bytes:
            chunks.append(bytes(view[start : start + READ_BYTES]))
            return chunks[-1]

        try:
            if old is None:
                return self._parser.parse(read, encoding="utf8", progress_callback=spend)
            return self._parser.parse(read, old, encoding="utf8", progress_callback=spend)
        except ValueError:  # tree-sitter raises it when it is stopped
            self._parser.reset()
            return None
        finally:
            release_leaked(chunks)

    def _edit_last_tree(self, code: bytes) -> Tree | None:
        """Return the last tree without errors, edited to the positions of the new code."""
        if self._tree is None:
            return None
        old, tree = self._code, self._tree.copy()
        start, old_end, new_end = difference(old, code)
        tree.edit(
            start_byte=start,
            old_end_byte=old_end,
            new_end_byte=new_end,
            start_point=_find_point(old, start),
            old_end_point=_find_point(old, old_end),
            new_end_point=_find_point(code, new_end),
        )
        return tree


def release_leaked(chunks: list[bytes]) -> None:
    """Release the reference that py-tree-sitter 0.26 keeps to each chunk of text that it was given.

    Without this every parsed text would stay in memory until the process ends. References are counted against an object
    that was never given away, so nothing is released where a version of the library keeps none.
    """
    chunks.append(bytes(bytearray(b"never given away")))
    counts = [sys.getrefcount(chunk) for chunk in chunks]
    for chunk, count in zip(chunks, counts, strict=True):
        if len(chunk) > 1 and count == counts[-1] + 1:  # shorter ones are shared by all of Python
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(chunk))


def _find_point(code: bytes, offset: int) -> Point | tuple[int, int]:
    """Return the row and column of a byte."""
    return code.count(b"\n", 0, offset), offset - code.rfind(b"\n", 0, offset) - 1
