"""End the answer before a repeated key of a dictionary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

_CUT = re.compile(r"(?<=,)|(?<=\n)")
_ENTRY = re.compile(r"""\s*((["'])[^"'\\]*\2)\s*:""")
_BRACKET_OR_COMMA = re.compile(r"[()\[\]{},]")
_BRACKET = re.compile(r"[()\[\]{}]")


def stop_at_repeated_key(candidate: Candidate, context: RuleContext) -> Candidate:
    """Cut before an entry whose key, a string, already occurs in the same dictionary.

    Entries belong to the same dictionary if there is no bracket between them, including those directly above.
    """
    keys = _find_keys_above(context.cursor.written_above)
    end, typed = 0, _BRACKET_OR_COMMA.split(context.cursor.line_before)[-1]
    for part in _CUT.split(candidate.text):
        entry = _ENTRY.match(part if end else typed + part)
        if entry and entry.group(1) in keys:
            return candidate.until(candidate.text[:end].rstrip())
        if _BRACKET.search(part):
            keys.clear()
        elif entry:
            keys.add(entry.group(1))
        end += len(part)
    return candidate


def _find_keys_above(lines: Iterable[str]) -> set[str]:
    """Return the keys of the entries in the nearest lines, up to a line that is not an entry."""
    keys: set[str] = set()
    for line in reversed(tuple(lines)):
        entry = _ENTRY.match(line)
        if not entry or not line.endswith(",") or _BRACKET.search(line):
            break
        keys.add(entry.group(1))
    return keys
