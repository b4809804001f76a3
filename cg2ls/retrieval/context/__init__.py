"""Text of a workspace's other files, for the beginning of the prompt."""

from cg2ls.retrieval.context.prompt_context import PromptContext
from cg2ls.retrieval.context.recent_places import RecentPlaces
from cg2ls.retrieval.context.snippet import Snippet, snippets_of
from cg2ls.retrieval.context.snippet_index import SnippetIndex

__all__ = ["PromptContext", "RecentPlaces", "Snippet", "SnippetIndex", "snippets_of"]
