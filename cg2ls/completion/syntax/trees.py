"""Parsing what differs little from what was parsed before.

Around a cursor the same piece of a document is parsed at every key and with every answer. Tree-sitter takes the tree of
an earlier version and parses only what an edit touched (Wagner, "Practical Algorithms for Incremental Software
Development Environments", 1998).
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from cg2ls.difference import difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tree_sitter import Parser, Point, Tree


CHUNK = 4096
"""Bytes that the parser is given at once."""


class Trees:
    """Parses versions of one piece of code, each from the tree of the last one that had no error.

    May be called from several threads.

    Args:
        parser: of tree-sitter, used by nobody else.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._lock = Lock()
        self._code = b""
        self._tree: Tree | None = None

    def sound(self, code: bytes, steps: ParserSteps | None = None) -> bool:
        """Whether code is known to have no error; False if parsing it would take too many steps."""
        tree = self.tree(code, steps)
        return tree is not None and not tree.root_node.has_error

    def tree(self, code: bytes, steps: ParserSteps | None = None) -> Tree | None:
        """The tree of code that may have errors; None if parsing it would take too many steps.

        Args:
            code: as UTF-8.
            steps: what parsing may cost; by default as much as one piece of code may.
        """
        spend = (steps or ParserSteps()).spend
        with self._lock:
            tree = self._parsed(code, self._earlier(code), spend)
            if tree is not None and not tree.root_node.has_error:
                self._code, self._tree = code, tree
            return tree

    def _parsed(self, code: bytes, old: Tree | None, spend: Callable[[int, bool], bool]) -> Tree | None:
        def read(start: int, _: Point) -> bytes:
            return code[start : start + CHUNK]

        try:
            if old is None:
                return self._parser.parse(read, encoding="utf8", progress_callback=spend)
            return self._parser.parse(read, old, encoding="utf8", progress_callback=spend)
        except ValueError:  # tree-sitter's word for being stopped
            self._parser.reset()
            return None

    def _earlier(self, code: bytes) -> Tree | None:
        """The last sound tree, told what is different now."""
        if self._tree is None:
            return None
        old, tree = self._code, self._tree.copy()
        start, old_end, new_end = difference(old, code)
        tree.edit(
            start_byte=start,
            old_end_byte=old_end,
            new_end_byte=new_end,
            start_point=_point(old, start),
            old_end_point=_point(old, old_end),
            new_end_point=_point(code, new_end),
        )
        return tree


def _point(code: bytes, offset: int) -> Point | tuple[int, int]:
    """Row and column of a byte."""
    return code.count(b"\n", 0, offset), offset - code.rfind(b"\n", 0, offset) - 1


MAX_STEPS = 400
"""Reports of tree-sitter, one after every hundred of its operations, that one piece of code may take. The largest
region of ordinary code takes about 100."""


class ParserSteps:
    """A number of steps that one parse or several together may take.

    Args:
        most: how many.

    Attributes:
        left: how many are left; below 0 once a parse was stopped.
    """

    def __init__(self, most: int = MAX_STEPS) -> None:
        self.left = most

    @property
    def are_used_up(self) -> bool:
        """Whether a parse was stopped, so that what it said means nothing."""
        return self.left < 0

    def spend(self, _: int, __: bool) -> bool:
        """Takes note of one step; tree-sitter's progress callback.

        Returns:
            Whether to stop.
        """
        self.left -= 1
        return self.left < 0
