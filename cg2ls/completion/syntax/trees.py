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
    from tree_sitter import Parser, Point, Tree


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

    def sound(self, code: bytes) -> bool:
        """Whether code has no error."""
        return not self.tree(code).root_node.has_error

    def tree(self, code: bytes) -> Tree:
        """The tree of code that may have errors."""
        with self._lock:
            old = self._earlier(code)
            tree = self._parser.parse(code, old) if old else self._parser.parse(code)
            if not tree.root_node.has_error:
                self._code, self._tree = code, tree
            return tree

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
