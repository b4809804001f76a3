"""Normalize LSP language ids; dialects count as their language."""

from __future__ import annotations

DIALECTS = {
    "cuda-cpp": "cpp",
    "javascriptreact": "javascript",
    "jsx": "javascript",
    "objective-cpp": "cpp",
    "py": "python",
    "python3": "python",
    "sh": "shellscript",
    "bash": "shellscript",
    "shell": "shellscript",
    "tsx": "typescript",
    "typescriptreact": "typescript",
    "zsh": "shellscript",
}
"""Maps ids of editors to the ids that models and grammars use."""


def normalize_language(identifier: str) -> str:
    """Return the language of an LSP id that may be a dialect or another spelling."""
    lower = identifier.lower()
    return DIALECTS.get(lower, lower)


def same_language(one: str, other: str) -> bool:
    """Return whether two LSP ids mean the same language."""
    return normalize_language(one) == normalize_language(other)
