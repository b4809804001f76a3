"""Languages by their LSP ids, dialects taken together."""

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
"""Ids that editors use for what a model or a grammar knows by another one."""


def language_of(identifier: str) -> str:
    """The language that an LSP id is a dialect or another spelling of."""
    lower = identifier.lower()
    return DIALECTS.get(lower, lower)


def same_language(one: str, other: str) -> bool:
    """Whether two LSP ids mean the same language."""
    return language_of(one) == language_of(other)
