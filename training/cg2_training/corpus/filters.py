"""Deciding whether one file is worth training on."""

import ast
import re
import warnings

from cg2_training.corpus.header import forbids_use, strip_banner

MIN_BYTES = 200
MAX_BYTES = 200_000
MAX_LINE = 2_000
MAX_MEAN_LINE = 200
MAX_DIGITS = 0.4

_GENERATED_LINES = 40
_GENERATED = re.compile(
    r"@generated|\bauto(?:matically)?[- ]?generated|generated\s+(?:by|from|automatically|with|using|file)\b"
    r"|\bdo\s+not\s+(?:edit|modify)\b|this\s+(?:file|module)\s+(?:is|was)\s+generated",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"#.*|^\s*(?:\"\"\"|''').*", re.MULTILINE)
_HEX = re.compile(rb"0[xX][0-9a-fA-F]+|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")

_SECRETS = re.compile(
    r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{60,}"
    r"|\bxox[abprs]-[0-9]{8,}-[0-9A-Za-z-]{10,}"
    r"|\bsk_live_[0-9A-Za-z]{20,}|\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40,}"
    r"|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|aws_secret_access_key\s*=\s*['\"][A-Za-z0-9/+=]{40}['\"]"
)


def has_secret(text: str) -> bool:
    """Whether the text holds something shaped like a private key or an access token."""
    return _SECRETS.search(text) is not None


def is_generated(text: str) -> bool:
    """Whether a comment or docstring opening among the first 40 lines says that a program wrote the file."""
    head = "\n".join(text.split("\n", _GENERATED_LINES)[:_GENERATED_LINES])
    return any(_GENERATED.search(comment) for comment in _COMMENT.findall(head))


def is_test(path: str) -> bool:
    """Whether a path is a test module or lies in a folder of tests."""
    *folders, name = path.lower().split("/")
    return bool({"test", "tests", "testing"} & set(folders)) or (
        name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    )


def digit_share(data: bytes) -> float:
    """Part of the bytes, blanks not counted, that digits and numeric literals make up, 0 to 1."""
    solid = len(data) - sum(data.count(space) for space in (b" ", b"\t", b"\n"))
    literal = sum(len(match) for match in _HEX.findall(data))
    rest = _HEX.sub(b"", data)
    digits = len(rest) - len(rest.translate(None, b"0123456789"))
    return (literal + digits) / max(solid, 1)


def parses(text: str) -> bool:
    """Whether the text is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def clean(data: bytes) -> tuple[str, str | None]:
    r"""Turn a file's bytes into training text, or say why not.

    Line ends become ``\n`` and a long leading licence comment is removed; nothing else changes.

    Args:
        data: the file as it lies in the artifact.

    Returns:
        The text and None, or an empty string and the reason for dropping the file.
    """
    if len(data) < MIN_BYTES:
        return "", "too small"
    if len(data) > MAX_BYTES:
        return "", "too large"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "", "not UTF-8"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        return "", "not UTF-8"
    if forbids_use(text):
        return "", "licence header"
    if is_generated(text):
        return "", "generated"
    lines = text.split("\n")
    if max(map(len, lines)) > MAX_LINE or len(text) / len(lines) > MAX_MEAN_LINE:
        return "", "long lines"
    if digit_share(data) > MAX_DIGITS:
        return "", "mostly digits"
    if has_secret(text):
        return "", "secret"
    if not parses(text):
        return "", "does not parse"
    text = strip_banner(text)
    if len(text.encode()) < MIN_BYTES:
        return "", "too small"
    return text, None
