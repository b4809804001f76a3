r"""Convert all line ends to `\n`; editors convert them to those of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(candidate: Candidate, _: RuleContext) -> Candidate:
    r"""Convert `\r\n` and `\r` to `\n`."""
    return candidate.with_text(candidate.text.replace("\r\n", "\n").replace("\r", "\n"))


RULE = Rule("normalize_line_ends", "converts carriage returns to line feeds", apply)
