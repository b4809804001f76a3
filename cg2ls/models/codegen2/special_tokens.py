"""Special tokens of a vocabulary, and the layout of the infill prompts that they frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Special token ids of one vocabulary.

    CodeGen2's masks are the last tokens of its vocabulary: id(`<mask_N>`) = vocab_size - N for 1 <= N <= n_masks.

    Attributes:
        vocab_size: rows of the model's output.
        end_of_text: id of `<|endoftext|>`, the end of a document.
        sep: id of `<sep>`, after which masked spans are answered; `end_of_text` without masks.
        eom: id of `<eom>`, the end of one span's answer; `end_of_text` without masks.
        n_masks: number of `<mask_N>` tokens; 0 in other vocabularies than CodeGen2's.
        fim: the layout of infill prompts in a vocabulary without masks; None if it has no tokens for them.
        start: tokens before every prompt, such as Llama's `<s>`.
        stops: further tokens that end an answer.
    """

    vocab_size: int
    end_of_text: int
    sep: int
    eom: int
    n_masks: int
    fim: InfillLayout | None = None
    start: tuple[int, ...] = ()
    stops: frozenset[int] = frozenset()

    @cached_property
    def layout(self) -> InfillLayout | None:
        """Layout of infill prompts; None if the model only continues text.

        CodeGen2's is Salesforce's published prompt: prefix <mask_1> suffix <|endoftext|><sep><mask_1>.
        """
        if not self.n_masks:
            return self.fim
        mask = self.mask(1)
        return InfillLayout(order=PSM, prefix=(), suffix=(mask,), middle=(self.end_of_text, self.sep, mask))

    def lay_out(
        self, prefix: Sequence[int], suffix: Sequence[int], known: Sequence[int], *, fills_in: bool
    ) -> list[int]:
        """Return the token ids of a prompt; no other function decides which parts it has.

        Args:
            prefix: tokens of the window before the anchor.
            suffix: tokens of the window after the cursor.
            known: tokens from the anchor to the cursor.
            fills_in: whether the model was trained to fill in; otherwise it gets the text up to the cursor.
        """
        if fills_in and self.layout is not None:
            return [*self.start, *self.layout.lay_out(prefix, suffix, known)]
        return [*self.start, *prefix, *known] or [self.end_of_text]

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
        """Return whether this token ends an answer: `<eom>`, the end of the text, `<sep>`, any mask, a stop."""
        return (
            token in (self.eom, self.end_of_text, self.sep)
            or token >= self.first_mask_id
            or token in self.stops
        )


CODEGEN2 = SpecialTokens(vocab_size=51200, end_of_text=50256, sep=50299, eom=50300, n_masks=899)
"""The published CodeGen2 vocabulary (1B to 16B)."""
