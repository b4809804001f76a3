"""Parse code incrementally, with a limit on the work.

Around a cursor, the same piece of a document is parsed at every key and with every answer. Tree-sitter takes the tree
of an earlier version and parses only what an edit touched (Wagner, "Practical Algorithms for Incremental Software
Development Environments", 1998). It parses code without errors in time proportional to its length. Code with errors can
take the square of that, so the number of steps is limited.
"""

from __future__ import annotations

import ctypes
import sys
from threading import Lock
from typing import TYPE_CHECKING

from cg2ls.difference import difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tree_sitter import Parser, Point, Tree

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
