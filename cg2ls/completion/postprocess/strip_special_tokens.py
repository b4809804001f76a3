"""Never show special tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

_SPECIAL = re.compile(r"<\|[\w+#.-]+\|>|<eom>|<sep>|<mask_\d+>|<dummy_\d+>|\ufffd|\x00")


def strip_special_tokens(candidate: Candidate, _: RuleContext) -> Candidate:
    """Cut where another document would begin, or at bytes that are not text."""
    found = _SPECIAL.search(candidate.text)
    return candidate.until(candidate.text[: found.start()]) if found else candidate
