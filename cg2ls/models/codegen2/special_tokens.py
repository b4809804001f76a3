"""Special tokens of a vocabulary, CodeGen2's in particular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cg2ls.models.infill.layout import PSM, InfillLayout

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
