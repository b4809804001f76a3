"""Languages by file name."""

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
