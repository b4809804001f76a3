"""Options of the training objective, and which labels bear loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cg2ls.models.codegen2 import SpecialTokens

IGNORED = -100
"""Label of a position that bears no loss."""

INFILLS = ("span_corruption", "psm", "ul2")
"""Ways of choosing what is masked; see `ObjectiveConfig`."""


SHARES = (
    "infill_share",
    "line_end_share",
    "early_start_share",
    "token_start_share",
    "dense_share",
    "syntax_share",
    "fragment_share",
)
"""Settings that are chances."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How rows are corrupted.

    Attributes:
        infill_share: chance that a row is corrupted rather than causal.
        infill: "span_corruption" (the CodeGen2 paper's), "psm" (one span between two uniform cuts, Bavarian et al.
            2022, arXiv 2207.14255, for the paper's lesson on infill for free) or "ul2" (Tay et al. 2022,
            arXiv 2205.05131: short spans, long or dense spans, or the rest of the text).
        min_mask_ratio: least share of a part's characters to mask; the share is uniform between the two.
        max_mask_ratio: greatest share.
        max_span_chars: span lengths are uniform from 1 to this many characters.
        line_end_share: chance that a span ends at the line end nearest to where it would end.
        early_start_share: chance that a span is moved back to begin where its first line begins, or the line before:
            middles whose beginning stands there already, as an anchor left behind the cursor makes them.
        token_start_share: chance that a span begins at the token boundary nearest to where it would, as the server
            heals the cursor's place to one; without it, spans begin between any two characters.
        dense_share: chance that a part has short spans instead, each within a line, on up to `max_spans` lines: many
            starts of middles, which are where the model is weak, for the same number of labels.
        dense_span_chars: lengths of those are uniform from 1 to this many characters, or to the end of the line.
        syntax_share: chance that a part's spans are nodes of its syntax tree (AST-FIM, Gong et al. 2025,
            arXiv 2506.00204).
        syntax_language: whose grammar is used.
        fragment_share: chance that a piece of text is cut at random points before it is tokenized (EFIM, Guo et
            al. 2025, arXiv 2505.21889), so that text may go on inside a word.
        max_spans: most spans of one part, also bounded by the vocabulary's masks. Where so few of `max_span_chars`
            could not cover the drawn share, spans are longer. UL2's denoisers are bounded by the masks alone.
        prefix_lm: let the text before an answer see itself whole (and a random beginning of causal parts), without
            loss there: the paper's first lesson. Such weights cannot be exported for the server, which is causal.
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
    syntax_share: float = 0.0
    syntax_language: str = "python"
    fragment_share: float = 0.0
    max_spans: int = 16
    prefix_lm: bool = False

    def problem(self) -> str:
        """What is contradictory in the settings, in a sentence; "" if nothing is."""
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                return f"objective.{name} is {getattr(self, name)}, but is a chance between 0 and 1."
        if not (0 <= self.min_mask_ratio <= self.max_mask_ratio < 1 and self.max_mask_ratio > 0):
            return (
                "mask ratios must satisfy 0 <= min_mask_ratio <= max_mask_ratio < 1, with a maximum above 0."
            )
        for name in ("max_span_chars", "max_spans", "dense_span_chars"):
            if getattr(self, name) < 1:
                return f"objective.{name} is {getattr(self, name)}, but must be at least 1."
        if self.infill not in INFILLS:
            return f"objective.infill is {self.infill!r}; choose {', '.join(INFILLS)}."
        for name in ("syntax_share", "dense_share"):
            if getattr(self, name) and self.infill != "span_corruption":
                return f"objective.{name} needs infill = 'span_corruption', not {self.infill!r}."
        return ""


IntArray = npt.NDArray[np.integer]


def make_labels(tokens: IntArray, special: SpecialTokens) -> IntArray:
    """Next-token labels of ids [..., time + 1], int64 [..., time].

    No loss falls on `<mask_N>`, on `<sep>` and on the `<|endoftext|>` before it: where a mask stands is
    chance, and the server writes all three itself.
    """
    labels = tokens[..., 1:].astype(np.int64)
    before_sep = np.zeros(labels.shape, dtype=bool)
    before_sep[..., :-1] = labels[..., 1:] == special.sep
    return np.where((labels >= special.first_mask_id) | (labels == special.sep) | before_sep, IGNORED, labels)
