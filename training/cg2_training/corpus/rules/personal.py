"""Personal data: e-mail and public IP addresses give way to those that are reserved for examples."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from cg2_training.corpus.draft import SourceDocument

EMAIL = "user@example.com"
"""Reserved for documentation (RFC 2606)."""

IPV4 = "192.0.2.1"
"""Reserved for documentation (RFC 5737)."""

IPV6 = "2001:db8::1"
"""Reserved for documentation (RFC 3849)."""

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,10}\b"
    # `weights@features.mean(` is a product of matrices, `git@host.org:` a way to clone.
    r"(?![\w(:\[/])"
)
_EXAMPLES = re.compile(
    r"@(?:[\w-]+\.)*(?:example|test|invalid|localhost|local)(?:\.(?:com|org|net|edu))?\Z", re.IGNORECASE
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|/\d{4})")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){4,7}(?::|[0-9A-Fa-f]{1,4})(?![\w:])")
_VERSION = re.compile(r"(?:version|\bv|release|chrome/|==|>=|<=|~=)\W{0,4}\Z", re.IGNORECASE)
"""What stands before four numbers that are a version."""


def without_personal_data(draft: SourceDocument) -> SourceDocument:
    """The draft with reserved addresses for real ones; private and loopback addresses stay."""
    text = _EMAIL.sub(_email, draft.text)
    text = _IPV4.sub(_address, text)
    text = _IPV6.sub(_address, text)
    return replace(draft, data=text) if text != draft.data else draft


def _email(match: re.Match[str]) -> str:
    return match[0] if _EXAMPLES.search(match[0]) else EMAIL


def _address(match: re.Match[str]) -> str:
    if _VERSION.search(match.string, max(0, match.start() - 16), match.start()):
        return match[0]
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    if not address.is_global:
        return match[0]
    return IPV4 if address.version == 4 else IPV6
