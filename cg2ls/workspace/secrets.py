"""Recognize files that may contain secrets, by name and by content.

A name on the list is refused unread. The patterns for contents are the published shapes of keys and tokens;
they are few and specific, so that source code about passwords is not refused.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

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
