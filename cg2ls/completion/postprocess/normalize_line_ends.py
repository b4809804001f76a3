r"""Convert all line ends to `\n`; editors convert them to those of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def normalize_line_ends(candidate: Candidate, _: RuleContext) -> Candidate:
    r"""Convert `\r\n` and `\r` to `\n`."""
    return candidate.with_text(candidate.text.replace("\r\n", "\n").replace("\r", "\n"))
