"""Special tokens are never shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

_MARK = re.compile(r"<\|[\w+#.-]+\|>|<eom>|<sep>|<mask_\d+>|<dummy_\d+>|\ufffd|\x00")


def apply(draft: Candidate, _: RuleContext) -> Candidate:
    """Ends where another document would begin, or where bytes are no text."""
    found = _MARK.search(draft.text)
    return draft.until(draft.text[: found.start()]) if found else draft


RULE = Rule("marks", "ends at a special token and at bytes that are no text", apply)
