"""Languages of documents: by file name, and by the ids that editors use."""

from __future__ import annotations

from pathlib import PurePath

LANGUAGES = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".dart": "dart",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".java": "java",
    ".js": "javascript",
    ".jsx": "javascriptreact",
    ".kt": "kotlin",
    ".lua": "lua",
    ".php": "php",
    ".py": "python",
    ".pyi": "python",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "shellscript",
    ".sql": "sql",
    ".swift": "swift",
    ".ts": "typescript",
    ".tsx": "typescriptreact",
    ".vue": "vue",
}
"""LSP ids of the languages CodeGen2 was trained on, by file name suffix."""


def language_of_name(name: str) -> str:
    """Return the LSP id of a file's language; "" if its name does not show it."""
    return LANGUAGES.get(PurePath(name).suffix.lower(), "")


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
