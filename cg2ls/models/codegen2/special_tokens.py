"""Special tokens of CodeGen2, and the infill prompt that they structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SPACE_RUNS = tuple(" " * count for count in range(31, 1, -1))
TAB_RUNS = tuple("\t" * count for count in range(9, 1, -1))
"""Whitespace tokens of CodeGen2, in the order of their ids."""

END_OF_TEXT = "<|endoftext|>"
SEP = "<sep>"
EOM = "<eom>"

STARCODER = (
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>"),
    *("<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>"),
    *("<jupyter_code>", "<jupyter_output>", "<empty_output>", "<commit_before>", "<commit_msg>"),
    *("<commit_after>", "<reponame>"),
)
"""Special tokens that CodeGen2.5 took over from StarCoder, in the order of their ids."""


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Special token ids of one vocabulary.

    The masks are the last tokens of the vocabulary: id(`<mask_N>`) = vocab_size - N for 1 <= N <= n_masks.

    Attributes:
        vocab_size: rows of the model's output.
        end_of_text: id of `<|endoftext|>`, the end of a document.
        sep: id of `<sep>`, after which masked spans are answered.
        eom: id of `<eom>`, the end of one span's answer.
        n_masks: number of `<mask_N>` tokens.
    """

    vocab_size: int
    end_of_text: int
    sep: int
    eom: int
    n_masks: int

    def mask(self, number: int) -> int:
        """Return the id of `<mask_number>`.

        Raises:
            ValueError: there is no such mask.
        """
        if not 1 <= number <= self.n_masks:
            raise ValueError(f"<mask_{number}> does not exist; there are {self.n_masks} masks.")
        return self.vocab_size - number

    @property
    def first_mask_id(self) -> int:
        """Lowest id of a mask; every id from here on is a mask."""
        return self.vocab_size - self.n_masks

    def is_stop(self, token: int) -> bool:
        """Return whether this token ends an answer: `<eom>`, the end of the text, `<sep>` or any mask."""
        return token in (self.eom, self.end_of_text, self.sep) or token >= self.first_mask_id


CODEGEN2 = SpecialTokens(vocab_size=51200, end_of_text=50256, sep=50299, eom=50300, n_masks=899)
"""The published CodeGen2 vocabulary (1B to 16B)."""


def anchored_prompt(
    prefix: Sequence[int], suffix: Sequence[int], known: Sequence[int], special: SpecialTokens
) -> list[int]:
    """Return the token ids of a prompt for the text at the cursor.

    The layout is Salesforce's infill prompt, with the beginning of the answer included:

        prefix <mask_1> suffix <|endoftext|><sep><mask_1> known   ->  middle <eom>

    `known` is the text between the anchor and the cursor. With an empty `known` this is the published
    prompt; with an empty `prefix` it is the suffix-prefix order of Bavarian et al. 2022 (arXiv 2207.14255).
    An anchor that stays while the user types is EFIM (Guo et al. 2025, arXiv 2505.21889). Then only the typed
    tokens are new to the cache, for a suffix of any length.

    Args:
        prefix: tokens of the window before the anchor.
        suffix: tokens of the window after the cursor.
        known: tokens from the anchor to the cursor.
        special: ids of the model's special tokens.
    """
    mask = special.mask(1)
    return [*prefix, mask, *suffix, special.end_of_text, special.sep, mask, *known]
