"""Editor text to prompt, and the model's answer to the text an editor shows."""

from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.session import DocumentSession
from cg2ls.completion.types import Completion, CompletionEngine, Trigger

__all__ = ["Completion", "CompletionEngine", "CompletionOptions", "DocumentSession", "Trigger"]
