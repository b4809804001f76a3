"""What other files of a workspace say, as text in front of the prompt."""

from cg2ls.retrieval.context.prompt_context import Context
from cg2ls.retrieval.context.ring import Ring
from cg2ls.retrieval.context.snippet import Snippet, snippets_of
from cg2ls.retrieval.context.snippet_index import Index

__all__ = ["Context", "Index", "Ring", "Snippet", "snippets_of"]
