"""A dictionary has each key once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

_CUT = re.compile(r"(?<=,)|(?<=\n)")
_ENTRY = re.compile(r"""\s*((["'])[^"'\\]*\2)\s*:""")
_BRACKET_OR_COMMA = re.compile(r"[()\[\]{},]")
_BRACKET = re.compile(r"[()\[\]{}]")


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Ends before an entry whose key, a string, an entry of the same dictionary has already.

    Entries belong together as long as nothing with a bracket stands between them, those right above included.
    """
    keys = _keys_above(at.cursor.written_above)
    end, typed = 0, _BRACKET_OR_COMMA.split(at.cursor.line_before)[-1]
    for part in _CUT.split(draft.text):
        entry = _ENTRY.match(part if end else typed + part)
        if entry and entry.group(1) in keys:
            return draft.until(draft.text[:end].rstrip())
        if _BRACKET.search(part):
            keys.clear()
        elif entry:
            keys.add(entry.group(1))
        end += len(part)
    return draft


def _keys_above(lines: Iterable[str]) -> set[str]:
    """Keys of the entries in the nearest lines, up to one with anything else in it."""
    keys: set[str] = set()
    for line in reversed(tuple(lines)):
        entry = _ENTRY.match(line)
        if not entry or not line.endswith(",") or _BRACKET.search(line):
            break
        keys.add(entry.group(1))
    return keys


RULE = Rule("stop_at_repeated_key", "ends before a dictionary's entry whose key is there already", apply)
