"""Which files of a workspace may be read, and reading them."""

from cg2ls.workspace.refusal import Reason, Refusal, RefusedError
from cg2ls.workspace.rules import ReadingRules
from cg2ls.workspace.workspace import RulesError, Workspace, is_excluded, unreadable_pattern

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
