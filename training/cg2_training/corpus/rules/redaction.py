"""Rules about keys, tokens and personal data. Code with replacements still parses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Literal, Protocol

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.errors import CorpusError

SecretPolicy = Literal["redact", "drop"]
"""Whether keys and tokens are replaced, or documents with one are dropped."""

PersonalDataPolicy = Literal["redact", "keep"]
"""Whether e-mail and IP addresses are replaced."""

REDACTED = "REDACTED"
"""Valid in strings, comments and code."""

DETECTORS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Detectors of detect-secrets, by module, that recognise the published shapes of keys.

Detectors by entropy and by names such as `password` are not used. In the 4.7 MB of the standard library's own
modules they report 17 strings (alphabets, digests and the word "yes"), all of them wrongly.
"""

PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")

_KEY_SHAPES = re.compile(
    PRIVATE_KEY.pattern + r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{60,}"
    r"|\bxox[abprs]-[0-9]{8,}-[0-9A-Za-z-]{10,}"
    r"|\bsk_live_[0-9A-Za-z]{20,}|\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40,}"
    r"|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|aws_secret_access_key\s*=\s*['\"][A-Za-z0-9/+=]{40}['\"]"
)
"""Shapes of keys for `drop_secrets`. Completion has its own list, whose changes must not change a pinned corpus."""

EXAMPLE_EMAIL = "user@example.com"
"""Reserved for documentation (RFC 2606)."""

EXAMPLE_IPV4 = "192.0.2.1"
"""Reserved for documentation (RFC 5737)."""

EXAMPLE_IPV6 = "2001:db8::1"
"""Reserved for documentation (RFC 3849)."""

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,10}\b"
    # `weights@features.mean(` is a matrix product, and `git@host.org:` an address to clone from.
    r"(?![\w(:\[/])"
)
_EXAMPLES = re.compile(
    r"@(?:[\w-]+\.)*(?:example|test|invalid|localhost|local)(?:\.(?:com|org|net|edu))?\Z", re.IGNORECASE
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|/\d{4})")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){4,7}(?::|[0-9A-Fa-f]{1,4})(?![\w:])")
_VERSION = re.compile(r"(?:version|\bv|release|chrome/|==|>=|<=|~=)\W{0,4}\Z", re.IGNORECASE)
"""Text before four numbers that are a version, not an address."""


class Detector(Protocol):
    """Interface of detect-secrets' plugins."""

    def analyze_string(self, string: str) -> Iterator[str]:
        """Yield the keys in a text."""


def drop_secrets(document: SourceDocument) -> SourceDocument | Dropped:
    """Drop a document that contains a private key, or a key or token in a published shape."""
    return Dropped("secret") if _KEY_SHAPES.search(document.text) else document


def redact_secrets(document: SourceDocument) -> SourceDocument | Dropped:
    """Replace each key or token by a placeholder; drop a document with a private key.

    Raises:
        CorpusError: detect-secrets is not installed.
    """
    # Imported late, because `clean_python` must work without the packages that cg2ls.workspace needs.
    from cg2ls.workspace.reading_rules import SECRET_CONTENTS

    text = document.text
    found = {match[0] for match in SECRET_CONTENTS.finditer(text)}
    if PRIVATE_KEY.search(text):
        return Dropped("private key")
    for detector in _detectors():
        found.update(secret for secret in detector.analyze_string(text) if secret)
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return replace(document, data=text) if found else document


@lru_cache(maxsize=1)
def _detectors() -> tuple[Detector, ...]:
    try:
        plugins = [
            getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
            for module, name in DETECTORS.items()
        ]
    except ModuleNotFoundError:
        raise CorpusError("finding secrets needs the package detect-secrets; install it with pip.") from None
    return tuple(plugins)


def redact_personal_data(document: SourceDocument) -> SourceDocument:
    """Replace e-mail and public IP addresses by reserved ones; keep private and loopback addresses."""
    text = _EMAIL.sub(_email, document.text)
    text = _IPV4.sub(_address, text)
    text = _IPV6.sub(_address, text)
    return replace(document, data=text) if text != document.data else document


def _email(match: re.Match[str]) -> str:
    return match[0] if _EXAMPLES.search(match[0]) else EXAMPLE_EMAIL


def _address(match: re.Match[str]) -> str:
    if _VERSION.search(match.string, max(0, match.start() - 16), match.start()):
        return match[0]
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    if not address.is_global:
        return match[0]
    return EXAMPLE_IPV4 if address.version == 4 else EXAMPLE_IPV6
