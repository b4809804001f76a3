"""Share a model's context among the parts of a prompt."""

from __future__ import annotations

from dataclasses import dataclass

STRUCTURE_TOKENS = 4
"""Special tokens of an infill prompt: two masks, the end of the text, `<sep>`."""

HEALING_TOKENS = 8
"""Tokens that an answer may spend on the bytes it is forced to begin with."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Numbers of tokens of one context, by purpose.

    Attributes:
        answer: tokens to generate, including those of healing.
        known: from the anchor to the cursor; 0 keeps the anchor at the cursor.
        suffix: after the cursor.
        text: before the anchor and after the cursor together.
        context: of other files, before the document's own text.
    """

    answer: int
    known: int
    suffix: int
    text: int
    context: int = 0

    @classmethod
    def share(
        cls, context_length: int, *, answer_tokens: int, anchor_max_tokens: int, context_tokens: int = 0
    ) -> Budget:
        """Share a context; the suffix and other files get at most a quarter each, the answer at most half.

        The budget uses the longest answer that the options allow, not the one requested at this cursor. Otherwise
        the window would move when a line's completion follows a block's.

        Args:
            context_length: maximum number of tokens of prompt and answer together.
            answer_tokens: maximum number of tokens to generate, without those of healing.
            anchor_max_tokens: limit of the model's description for the tokens from the anchor to the cursor.
            context_tokens: wanted for other files.
        """
        answer = min(answer_tokens + HEALING_TOKENS, context_length // 2)
        rest = context_length - 1 - answer - STRUCTURE_TOKENS
        known = min(anchor_max_tokens, rest // 4)
        context = min(context_tokens, rest // 4)
        return cls(answer=answer, known=known, suffix=rest // 4, text=rest - known - context, context=context)
