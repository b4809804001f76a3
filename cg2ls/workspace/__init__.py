"""Decide which files of a workspace may be read, and read them."""

from cg2ls.workspace.patterns import RulesError, is_excluded, unreadable_pattern
from cg2ls.workspace.refusal import Reason, Refusal, RefusedError
from cg2ls.workspace.rules import ReadingRules
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
