"""Lay out the parts of a prompt; no other module knows their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.models.codegen2.infill import anchored_prompt

if TYPE_CHECKING:
    from cg2ls.completion.prompt.anchor import PlacedAnchor
    from cg2ls.models.codegen2.special_tokens import SpecialTokens
    from cg2ls.models.folder.description import Infill

SPAN_CORRUPTION = "span_corruption"


def lay_out_prompt(placed: PlacedAnchor, special: SpecialTokens, infill: Infill) -> list[int]:
    """Return the token ids of the prompt.

    A model trained to fill in gets the infill prompt even if nothing follows the cursor, because it then ends its
    answers with `<eom>`. A model that only continues text gets the text up to the cursor.

    Args:
        placed: the anchor, the window and the known text.
        special: ids of the model's special tokens.
        infill: how the model was trained to fill in.
    """
    anchor = placed.anchor
    if SPAN_CORRUPTION in infill.objectives:
        return anchored_prompt(anchor.prefix_tokens, anchor.suffix_tokens, placed.known_tokens, special)
    return [*anchor.prefix_tokens, *placed.known_tokens] or [special.end_of_text]
