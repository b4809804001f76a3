"""Editor text to prompt, and the model's answer to the text an editor shows."""

from cg2ls.completion.anchor import AnchorState
from cg2ls.completion.complete import complete_at
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.types import Completion, CompletionEngine, Trigger

__all__ = ["AnchorState", "Completion", "CompletionEngine", "CompletionOptions", "Trigger", "complete_at"]
