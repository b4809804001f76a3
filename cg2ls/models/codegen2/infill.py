"""The infill prompt, with an anchor that keeps the cache alive while someone types."""

from __future__ import annotations

from collections.abc import Sequence

from cg2ls.models.codegen2.special_tokens import SpecialTokens


def anchored_prompt(
    prefix: Sequence[int], suffix: Sequence[int], known: Sequence[int], special: SpecialTokens
) -> list[int]:
    """Token ids that ask for the text at the cursor.

    The layout is Salesforce's infill prompt with the answer already begun:

        prefix <mask_1> suffix <|endoftext|><sep><mask_1> known   ->  middle <eom>

    `known` is the text between the anchor and the cursor. With an empty `known` this is the published
    prompt; with an empty `prefix` it is the suffix-prefix order of Bavarian et al. 2022 (arXiv 2207.14255);
    an anchor that stays while the user types is EFIM (Guo et al. 2025, arXiv 2505.21889), in which only
    the typed tokens are new to the cache, whatever the suffix's length.

    Args:
        prefix: tokens of the window before the anchor.
        suffix: tokens of the window behind the cursor.
        known: tokens from the anchor to the cursor.
        special: ids of the model's special tokens.
    """
    mask = special.mask(1)
    return [*prefix, mask, *suffix, special.end_of_text, special.sep, mask, *known]
