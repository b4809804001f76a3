"""What other files of a workspace say, as text in front of the prompt."""

from cg2ls.context.context import Context
from cg2ls.context.index import Index
from cg2ls.context.ring import Ring
from cg2ls.context.snippet import Snippet, snippets_of

__all__ = ["Context", "Index", "Ring", "Snippet", "snippets_of"]
