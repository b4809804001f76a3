"""Complete documents: from the editor's text to a prompt, and from the model's answer to the text to show."""

from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.results import Completion
from cg2ls.completion.session import DocumentSession
from cg2ls.completion.types import CompletionEngine, Retrieval, Trigger

__all__ = ["Completion", "CompletionEngine", "CompletionOptions", "DocumentSession", "Retrieval", "Trigger"]
