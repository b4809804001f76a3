"""How a model's context is shared out."""

from __future__ import annotations

from dataclasses import dataclass

STRUCTURE = 4
"""Special tokens of an infill prompt: two masks, the end of the text, `<sep>`."""

HEALING = 8
"""Tokens an answer may spend on the bytes it is forced to begin with."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Tokens of one context, by what they are for.

    Attributes:
        answer: to generate, healing included.
        known: from the anchor to the cursor; 0 keeps the anchor at the cursor.
        suffix: behind the cursor.
        text: before the anchor and behind the cursor together.
        front: of other files, in front of the document's own.
    """

    answer: int
    known: int
    suffix: int
    text: int
    front: int = 0

    @classmethod
    def of(
        cls, context_length: int, *, answer_tokens: int, anchor_max_tokens: int, context_tokens: int = 0
    ) -> Budget:
        """Shares a context out; the suffix and other files get a quarter each at most, an answer half at most.

        The longest answer the options allow counts, whatever is asked for at this cursor, so that the window
        does not move when a line's completion follows a block's.

        Args:
            context_length: tokens of prompt and answer together.
            answer_tokens: most tokens to generate, healing not included.
            anchor_max_tokens: what the model's description allows between the anchor and the cursor.
            context_tokens: wanted for other files.
        """
        answer = min(answer_tokens + HEALING, context_length // 2)
        rest = context_length - 1 - answer - STRUCTURE
        known = min(anchor_max_tokens, rest // 4)
        front = min(context_tokens, rest // 4)
        return cls(answer=answer, known=known, suffix=rest // 4, text=rest - known - front, front=front)
