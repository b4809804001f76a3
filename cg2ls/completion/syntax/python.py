"""Python's own word on Python code, which its grammar for tree-sitter takes too much of."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

MAX_CHARS = 20_000
MAX_LINE_CHARS = 2000
MAX_LAMBDAS = 100
"""Beyond these sizes nothing is compiled: Python takes the square of the length for some nested code."""

FILE = "<cg2ls suggestion>"
"""What the code is called, so that warnings about it can be told from others."""

REMEMBERED = 8
"""Pieces of code of which it is remembered whether Python takes them."""

warnings.filterwarnings("ignore", module="<cg2ls suggestion>")


def python_accepts(code: str, *, in_block: bool = False, as_whole: bool = True) -> bool:
    """Whether Python accepts code; False for code that is too large to ask.

    Args:
        code: lines of a file.
        in_block: whether they were cut out of an indented block.
        as_whole: whether a `return` outside of a function and the like matter too; never in lines of a block.
    """
    lines = code.splitlines()
    if len(code) > MAX_CHARS or max(map(len, lines), default=0) > MAX_LINE_CHARS:
        return False
    if code.count("lambda") > MAX_LAMBDAS:
        return False
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if as_whole and not in_block else ast.PyCF_ONLY_AST
    if in_block:
        code = f"if 1:\n{code}"
    try:
        compile(code, FILE, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True


python_accepts_again = lru_cache(maxsize=REMEMBERED)(python_accepts)
"""`python_accepts`, for code that is asked about at every key."""
