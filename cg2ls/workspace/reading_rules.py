"""Rules about which files are read: limits, reasons for refusing a file, secrets, and text that no person wrote.

A name on the list of secrets is refused unread. The patterns for contents are the published shapes of keys and tokens;
they are few and specific, so that source code about passwords is not refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from pathlib import Path


MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ReadingRules:
    """Limits on which files of a workspace are read.

    Attributes:
        include: patterns as in .gitignore; if there are any, a file must match one.
        exclude: patterns as in .gitignore; a file or folder that matches one is not read.
        folders: folders whose patterns replace `exclude`. Folders and patterns are relative to the root, with
            slashes. The innermost folder counts.
        gitignore: whether to skip files that git ignores; false to read installed packages, which git ignores.
        max_bytes: maximum size of a file that is read.
        max_files: maximum number of files that a walk returns.
        max_entries: maximum number of names of files and folders that a walk examines.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gitignore: bool = True
    max_bytes: int = MEGABYTE
    max_files: int = 20_000
    max_entries: int = 200_000


Reason = Literal[
    "outside",
    "link",
    "no file",
    "excluded",
    "not included",
    "tool folder",
    "ignored",
    "unreadable rules",
    "secret name",
    "secret content",
    "too large",
    "binary",
    "not UTF-8",
    "minified",
    "generated",
    "unreadable",
    "too many files",
]
"""Reasons for not reading a file, in the order in which they are checked."""


@dataclass(frozen=True)
class Refusal:
    """A file that is not read, with the reason.

    Attributes:
        path: path of the file, or of a folder all of whose files are refused.
        reason: reason, one of the words above.
        detail: reason as a sentence.
    """

    path: Path
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class RefusedError(Cg2Error):
    """A file must not be read; `refusal` has the reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


SECRET_NAMES = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".vault-token",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "*.asc",
    "*.gpg",
    "*.ovpn",
    "*.tfstate",
    "*.tfvars",
    "*credentials",
    "*credentials.*",
    "*secret.*",
    "*secrets.*",
    "service-account*.json",
    "service_account*.json",
)
"""Names, in lower case, of files that contain secrets."""

SECRET_FOLDERS = (
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".password-store",
    ".secrets",
    "secrets",
)
"""Folders in which nothing is read."""

SOURCE_SUFFIXES = (".py", ".pyi", ".js", ".ts", ".go", ".rs", ".java", ".rb", ".c", ".h", ".cpp", ".cs")
"""Modules may be named after secrets (the standard library has a secrets.py); their content decides."""

SECRET_SHAPES = {
    "PRIVATE KEY": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s+\S{16}",
    "AKIA": r"\bAKIA[0-9A-Z]{16}\b",
    "ASIA": r"\bASIA[0-9A-Z]{16}\b",
    **{f"gh{kind}_": rf"\bgh{kind}_[A-Za-z0-9]{{36}}" for kind in "pousr"},
    "github_pat_": r"\bgithub_pat_[A-Za-z0-9_]{60}",
    "glpat-": r"\bglpat-[A-Za-z0-9_-]{20}",
    "xox": r"\bxox[abprs]-[0-9A-Za-z-]{20}",
    "sk-": r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{32}",
    "k_live_": r"\b[rs]k_live_[A-Za-z0-9]{20}",
    "AIza": r"\bAIza[0-9A-Za-z_-]{35}",
    "npm_": r"\bnpm_[A-Za-z0-9]{36}",
    "pypi-AgE": r"\bpypi-AgE[A-Za-z0-9_-]{50}",
    "SG.": r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40}",
    ".eyJ": r"\beyJ[A-Za-z0-9_-]{17,}\.eyJ[A-Za-z0-9_-]{17,}\.[A-Za-z0-9_-]{20}",
}
"""Published shapes of keys and tokens, each with a substring that all of its kind have. Searching for that first is a
hundred times as fast. JSON web tokens (RFC 7519) are the last."""

SECRET_CONTENTS = re.compile("|".join(SECRET_SHAPES.values()))
"""All of them in one pattern, to find every place."""

_COMPILED = {piece: re.compile(shape) for piece, shape in SECRET_SHAPES.items()}


def has_secret_name(name: str) -> bool:
    """Return whether a file's name suggests secrets."""
    lower = name.lower().rstrip(". ")  # Windows leaves dots and spaces at the end out
    if any(fnmatchcase(lower, pattern) for pattern in SECRET_NAMES):
        return not (lower.endswith(SOURCE_SUFFIXES) and not lower.startswith(".env"))
    return False


def secret_in(text: str) -> int | None:
    """Return the number of the first line, from 1, with a key or token; None if there is none."""
    found = [shape.search(text) for piece, shape in _COMPILED.items() if piece in text]
    starts = [match.start() for match in found if match is not None]
    return text.count("\n", 0, min(starts)) + 1 if starts else None


AVERAGE_LINE = 200
LONGEST_LINE = 5000
"""Maximum line lengths, on average and of one line. Tools that minify write longer ones."""

HEAD_CHARACTERS = 2000
"""Characters that are searched; generators put their signature at the top."""

GENERATED = re.compile(
    r"@generated\b|\bdo not (?:edit|modify)\b|\bauto-?(?:matically )?generated (?:by|from|file|code)\b"
    r"|generated by the protocol buffer compiler",
    re.IGNORECASE,
)
"""Signatures of generators: the tag of Phabricator, Go's comment, and the words of most others."""


def as_text(data: bytes) -> str | tuple[Reason, str]:
    r"""Decode a file's bytes with `\n` line ends, or return the reason for refusing them."""
    if b"\0" in data[:8192]:
        return "binary", "it is not a text file"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return "not UTF-8", f"it is not UTF-8 (byte {error.start})"
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return refused_text(text) or text


def refused_text(text: str) -> tuple[Reason, str] | None:
    """Return the reason for refusing a text; None if it may be read."""
    line = secret_in(text)
    if line is not None:
        return "secret content", f"line {line} looks like a key or a token"
    lines = text.count("\n") + 1
    if len(text) > AVERAGE_LINE * lines + LONGEST_LINE or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return "minified", "its lines are too long to be written by a person"
    if GENERATED.search(text, 0, HEAD_CHARACTERS):
        return "generated", "its first lines state that a program wrote it"
    return None
