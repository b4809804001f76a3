r"""Line ends are `\n`, whatever the model writes; editors convert them to the document's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext


def apply(draft: Candidate, _: RuleContext) -> Candidate:
    r"""Turns `\r\n` and `\r` into `\n`."""
    return draft.with_text(draft.text.replace("\r\n", "\n").replace("\r", "\n"))


RULE = Rule("line_ends", "carriage returns never reach the document", apply)
