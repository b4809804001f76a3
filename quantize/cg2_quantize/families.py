"""Facts of a model folder that follow from its family and its tokenizer, where the checkpoint does not state them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cg2ls.models.codegen2.config import CODEGEN25, LLAMA, QWEN2
from cg2ls.models.folder.description import Infill

if TYPE_CHECKING:
    from cg2ls.models.codegen2 import CodeGenConfig, SpecialTokens
    from cg2ls.models.folder.facts import Facts

DEFAULT_CONTEXT = 2048
"""Tokens of prompt and answer of models that could take more, as in CodeGen2. A longer context takes memory for its
keys and values from the start, and time for its prompt."""

ANCHOR_TOKENS = 128
"""Tokens of the middle before the anchor moves. A middle of fill-in-the-middle training is cut from anywhere in a
document (Bavarian et al. 2022), so one that begins some lines above the cursor is nothing new."""

CHAT_NAME = re.compile(r"(?:^|[-_.])(?:instruct|chat|it)(?:$|[-_.])", re.IGNORECASE)


def choose_context(config: CodeGenConfig, asked: int | None) -> int:
    """Return the maximum tokens of prompt and answer: what is asked, else `DEFAULT_CONTEXT` for long contexts."""
    longest = config.n_positions
    default = DEFAULT_CONTEXT if config.family in (LLAMA, QWEN2) else longest
    return min(longest, asked or default)


def choose_family(config: CodeGenConfig, tokens: SpecialTokens) -> str:
    """Return the family to state: CodeGen2.5's network with another vocabulary is Llama's."""
    return LLAMA if config.family == CODEGEN25 and not tokens.n_masks else config.family


def complete_infill(facts: Facts, tokens: SpecialTokens) -> Facts:
    """Return the facts with how a model without CodeGen2's masks was trained to fill in."""
    if tokens.n_masks:
        return facts
    if tokens.fim is None:
        return replace(facts, infill=replace(facts.infill, objectives=("causal",)))
    if facts.infill == Infill():
        infill = Infill(objectives=("causal", "fim"), character_cuts=True, anchor_max_tokens=ANCHOR_TOKENS)
        return replace(facts, infill=infill)
    return replace(facts, infill=replace(facts.infill, objectives=("causal", "fim")))


def describe_limits(name: str, tokens: SpecialTokens) -> str:
    """Return a sentence on what the model was not trained for; "" if there is nothing to say.

    Args:
        name: the model's name.
        tokens: its special tokens.
    """
    if tokens.layout is None:
        return (
            f"{name} has no infill tokens, so it only continues the text before the cursor; if it has some, name them"
            " with --infill."
        )
    if CHAT_NAME.search(name):
        return f"{name} is tuned for chat by its name; the base model it was made from completes code better."
    return ""
