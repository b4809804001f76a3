"""Decide which files of a workspace may be read, and read them."""

from cg2ls.workspace.ignore import RulesError, is_excluded, unreadable_pattern
from cg2ls.workspace.reading_rules import ReadingRules, Reason, Refusal, RefusedError
from cg2ls.workspace.workspace import Workspace

__all__ = [
    "ReadingRules",
    "Reason",
    "Refusal",
    "RefusedError",
    "RulesError",
    "Workspace",
    "is_excluded",
    "unreadable_pattern",
]
