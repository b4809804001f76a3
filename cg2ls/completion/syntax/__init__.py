"""Tree-sitter over the piece of a document around the cursor."""

from cg2ls.completion.syntax.grammar import Grammar, grammar_of
from cg2ls.completion.syntax.region import Region, region_of

__all__ = ["Grammar", "Region", "grammar_of", "region_of"]
