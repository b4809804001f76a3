"""Whether the cursor stands in code, in a comment or in a string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cg2ls.completion.syntax.region import region_of

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.grammar import Grammar

Kind = Literal["code", "comment", "documentation", "string"]
"""What the cursor stands in; documentation is a string that is a statement of its own."""

COMMENT_STARTS = ("#", "//", "/*", "* ", "--", ";;")
"""What a line of comment begins with, for languages without a grammar."""

CODE_IN_STRINGS = frozenset({"interpolation", "template_substitution", "string_interpolation", "expansion"})


def kind_at(cursor: Cursor, grammar: Grammar | None) -> Kind:
    """What the cursor stands in; without a grammar only lines of comment are told from code.

    In a line that is too long to parse, and where parsing takes too many steps, it counts as code.
    """
    if grammar is None:
        return "comment" if cursor.line_before.lstrip().startswith(COMMENT_STARTS) else "code"
    region = region_of(cursor)
    if region is None:
        return "code"
    offset = len(region.above) + len(region.line_before)
    if not offset:
        return "code"
    kinds = grammar.kinds_at(region.with_text(""), offset)
    if not kinds or kinds[0] == "string_end":
        return "code"
    for number, name in enumerate(kinds):
        if name in CODE_IN_STRINGS:
            return "code"
        if "comment" in name:
            return "comment"
        if "string" in name:
            outer = kinds[number + 1 : number + 3]
            return "documentation" if "expression_statement" in outer else "string"
    return "code"
