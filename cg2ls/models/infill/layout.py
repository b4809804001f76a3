"""The layout of an infill prompt: which tokens frame its parts, and in which order the parts come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PSM, SPM = "psm", "spm"
ORDERS = (PSM, SPM)
"""Prefix, suffix, middle; or suffix, prefix, middle (Bavarian et al. 2022, arXiv 2207.14255)."""


@dataclass(frozen=True, kw_only=True)
class InfillLayout:
    """Tokens that frame the parts of an infill prompt; ids of one vocabulary.

    A prompt ends with `known`, the text from the anchor to the cursor, which the middle begins with:

        psm   prefix-tokens PREFIX  suffix-tokens SUFFIX  middle-tokens KNOWN
        spm   suffix-tokens SUFFIX  prefix-tokens PREFIX  middle-tokens KNOWN

    CodeGen2 is "psm" with `<mask_1>` before the suffix and `<|endoftext|><sep><mask_1>` before the middle. StarCoder
    and Qwen2.5-Coder are "psm" with one token each. CodeLlama's "spm" has two tokens before the suffix and none before
    the middle.

    An anchor that stays while the user types is EFIM (Guo et al. 2025, arXiv 2505.21889). It makes a typed key cost
    only its own tokens in both orders, since they come last. The orders differ in what other changes cost: a moved
    anchor costs everything after it in "psm" (the suffix too), and the tokens between both anchors in "spm"; a changed
    suffix costs the suffix and the known text in "psm", and the whole prompt in "spm".

    Attributes:
        order: one of `ORDERS`.
        prefix: tokens before the prefix.
        suffix: tokens before the suffix.
        middle: tokens before the middle.
    """

    order: str
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    middle: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of tokens that frame the parts."""
        return len(self.prefix) + len(self.suffix) + len(self.middle)

    def lay_out(self, prefix: Sequence[int], suffix: Sequence[int], known: Sequence[int]) -> list[int]:
        """Return the token ids of a prompt.

        Args:
            prefix: tokens of the window before the anchor.
            suffix: tokens of the window after the cursor.
            known: tokens from the anchor to the cursor; empty for the published prompt.
        """
        if self.order == SPM:
            return [*self.suffix, *suffix, *self.prefix, *prefix, *self.middle, *known]
        return [*self.prefix, *prefix, *self.suffix, *suffix, *self.middle, *known]
