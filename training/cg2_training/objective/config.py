"""Options of the training objective, and which labels bear loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cg2ls.models.codegen2 import SpecialTokens

IGNORED = -100
"""Label of a position without loss."""

INFILLS = ("span_corruption", "psm", "ul2")
"""Ways to choose the masked spans; see `ObjectiveConfig`."""


SHARES = (
    "infill_share",
    "line_end_share",
    "early_start_share",
    "token_start_share",
    "dense_share",
    "anchor_share",
    "suffix_first_share",
    "near_suffix_share",
    "syntax_share",
    "fragment_share",
)
"""Settings that are probabilities."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Options for corrupting rows.

    Attributes:
        infill_share: probability that a row is corrupted rather than causal.
        infill: "span_corruption" (the CodeGen2 paper), "psm" (one span between two uniform cuts, Bavarian et al. 2022,
            arXiv 2207.14255; for the paper's lesson on infill for free) or "ul2" (Tay et al. 2022, arXiv 2205.05131:
            short spans, long or dense spans, or the rest of the text).
        min_mask_ratio: minimum share of a part's characters to mask; the share is uniform between the limits.
        max_mask_ratio: maximum share.
        max_span_chars: maximum span length in characters; lengths are uniform from 1.
        line_end_share: probability that a span ends at the line end nearest to its drawn end.
        early_start_share: probability that a span is moved back to the start of its first line or of the line before.
            Such middles begin with known text, as with an anchor before the cursor.
        token_start_share: probability that a span begins at the token boundary nearest to its drawn start, as the
            server's token healing does at the cursor. Other spans begin between any two characters.
        dense_share: probability that a part has short spans instead, each within a line, on up to `max_spans` lines.
            This gives more starts of middles, where the model is weak, for the same number of labels.
        dense_span_chars: maximum length of these spans in characters, also limited by the end of the line.
        anchor_share: probability that the text before a middle, from the start of a line, is written after its mask in
            the answer, as the server does with its anchor. It is at most about `anchor_max_chars` characters.
        anchor_max_chars: see `anchor_share`.
        suffix_first_share: probability that all text before a part's first middle is written after its mask: the
            suffix-prefix order of Bavarian et al. 2022.
        near_suffix_share: probability that a part ends where the block around one of its middles ends, so that the text
            below that middle is only near. The text after it becomes a separate part. The masked share rises.
        syntax_share: probability that a part's spans are nodes of its syntax tree (AST-FIM, Gong et al. 2025,
            arXiv 2506.00204).
        syntax_language: language of the grammar.
        fragment_share: probability that a piece of text is cut at random points before it is tokenized (EFIM, Guo et
            al. 2025, arXiv 2505.21889), so that text may continue inside a word.
        max_spans: maximum number of spans of one part, also limited by the vocabulary's masks. Spans become longer if
            this many of `max_span_chars` cannot cover the drawn share. Only the masks limit UL2's denoisers.
        prefix_lm: use bidirectional attention, without loss, in the text before an answer and in a random beginning
            of causal parts (the paper's first lesson). Such weights cannot be exported: the server is causal.
    """

    infill_share: float = 0.5
    infill: str = "span_corruption"
    min_mask_ratio: float = 0.05
    max_mask_ratio: float = 0.5
    max_span_chars: int = 400
    line_end_share: float = 0.5
    early_start_share: float = 0.0
    token_start_share: float = 0.0
    dense_share: float = 0.0
    dense_span_chars: int = 60
    anchor_share: float = 0.0
    anchor_max_chars: int = 200
    suffix_first_share: float = 0.0
    near_suffix_share: float = 0.0
    syntax_share: float = 0.0
    syntax_language: str = "python"
    fragment_share: float = 0.0
    max_spans: int = 16
    prefix_lm: bool = False

    def find_problem(self) -> str:
        """Return a sentence about the first invalid or contradictory setting; "" if all are valid."""
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                return (
                    f"objective.{name} is {getattr(self, name)}, but must be a probability between 0 and 1."
                )
        if not (0 <= self.min_mask_ratio <= self.max_mask_ratio < 1 and self.max_mask_ratio > 0):
            return (
                "mask ratios must satisfy 0 <= min_mask_ratio <= max_mask_ratio < 1, with a maximum above 0."
            )
        for name in ("max_span_chars", "max_spans", "dense_span_chars", "anchor_max_chars"):
            if getattr(self, name) < 1:
                return f"objective.{name} is {getattr(self, name)}, but must be at least 1."
        if self.infill not in INFILLS:
            return f"objective.infill is {self.infill!r}; choose {', '.join(INFILLS)}."
        for name in ("syntax_share", "dense_share"):
            if getattr(self, name) and self.infill != "span_corruption":
                return f"objective.{name} needs infill = 'span_corruption', not {self.infill!r}."
        return ""


def as_published(objective: ObjectiveConfig) -> ObjectiveConfig:
    """Return the objective with the published layout: all text before and after a middle is in the prompt.

    Scores on such rows are comparable between models that were trained with different layouts.
    """
    return replace(objective, anchor_share=0.0, suffix_first_share=0.0, near_suffix_share=0.0)


IntArray = npt.NDArray[np.integer]


def make_labels(tokens: IntArray, special: SpecialTokens) -> IntArray:
    """Return next-token labels of ids [..., time + 1], int64 [..., time].

    `<mask_N>`, `<sep>` and the `<|endoftext|>` before it have no loss. The position of a mask is random, and the server
    writes all three itself.
    """
    labels = tokens[..., 1:].astype(np.int64)
    before_sep = np.zeros(labels.shape, dtype=bool)
    before_sep[..., :-1] = labels[..., 1:] == special.sep
    return np.where((labels >= special.first_mask_id) | (labels == special.sep) | before_sep, IGNORED, labels)
