"""Files that look as if they held secrets, by name and by content.

A name on the list is refused unread. The patterns for contents are the published shapes of keys and tokens;
they are few and specific, so that source code about passwords is not refused for talking about them.
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
"""Names, in lower case, of files that are kept for their secrets."""

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

SECRET_CONTENTS = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s+\S{16}"
    r"|\bA(?:KIA|SIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bgithub_pat_[A-Za-z0-9_]{60}"
    r"|\bglpat-[A-Za-z0-9_-]{20}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{20}"
    r"|\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{32}"
    r"|\b[rs]k_live_[A-Za-z0-9]{20}"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|\bnpm_[A-Za-z0-9]{36}"
    r"|\bpypi-AgE[A-Za-z0-9_-]{50}"
    r"|\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40}"
    r"|\beyJ[A-Za-z0-9_-]{17,}\.eyJ[A-Za-z0-9_-]{17,}\.[A-Za-z0-9_-]{20}"
)
"""Keys and tokens as their makers publish their shapes; JSON web tokens (RFC 7519) are the last."""


def has_secret_name(name: str) -> bool:
    """Whether a file's name says that it holds secrets."""
    lower = name.lower()
    if any(fnmatchcase(lower, pattern) for pattern in SECRET_NAMES):
        return not (lower.endswith(SOURCE_SUFFIXES) and not lower.startswith(".env"))
    return False


def secret_in(text: str) -> int | None:
    """Number of the first line, from 1, with a key or token on it; None if there is none."""
    found = SECRET_CONTENTS.search(text)
    return None if found is None else text.count("\n", 0, found.start()) + 1
