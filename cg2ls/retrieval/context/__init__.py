"""Text of a workspace's other files, for the beginning of the prompt."""

from cg2ls.retrieval.context.snippet_selection import PromptContext, RecentPlaces
from cg2ls.retrieval.context.snippets import Snippet, SnippetIndex, snippets_of

__all__ = ["PromptContext", "RecentPlaces", "Snippet", "SnippetIndex", "snippets_of"]
