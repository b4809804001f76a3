"""Find out whether the cursor is in code, in a comment or in a string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cg2ls.completion.syntax.region import find_region

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.grammar import Grammar

Kind = Literal["code", "comment", "documentation", "string"]
"""Kind of text at the cursor; documentation is a string that is a statement of its own."""

COMMENT_STARTS = ("#", "//", "/*", "* ", "--", ";;")
"""Beginnings of comment lines, for languages without a grammar."""

CODE_IN_STRINGS = frozenset({"interpolation", "template_substitution", "string_interpolation", "expansion"})


def find_kind(cursor: Cursor, grammar: Grammar | None) -> Kind:
    """Return the kind of text at the cursor; without a grammar, only comment lines differ from code.

    A line that is too long to parse, and code that takes too many steps to parse, count as code.
    """
    if grammar is None:
        return "comment" if cursor.line_before.lstrip().startswith(COMMENT_STARTS) else "code"
    region = find_region(cursor)
    if region is None:
        return "code"
    offset = len(region.above) + len(region.line_before)
    if not offset:
        return "code"
    types = grammar.node_types_at(region.with_text(""), offset)
    if not types or types[0] == "string_end":
        return "code"
    for number, name in enumerate(types):
        if name in CODE_IN_STRINGS:
            return "code"
        if "comment" in name:
            return "comment"
        if "string" in name:
            outer = types[number + 1 : number + 3]
            return "documentation" if "expression_statement" in outer else "string"
    return "code"
