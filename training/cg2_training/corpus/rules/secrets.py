"""Keys and tokens: taken out of the text, so that it stays text and code stays code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Protocol

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2ls.workspace.secrets import SECRET_CONTENTS

PLACEHOLDER = "REDACTED"
"""A word in strings, comments and code alike."""

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
"""The detectors of detect-secrets that know a key by its maker's shape, by module. Those that go by entropy or by
names such as `password` are left out: in the 4.7 MB of the standard library's own modules they take 17 strings for
secrets (alphabets, digests and the word "yes"), and none is one."""

PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")


class Detector(Protocol):
    """The one method of detect-secrets' plugins that is used."""

    def analyze_string(self, string: str) -> Iterator[str]:
        """The keys in a text."""


def without_secrets(draft: SourceDocument) -> SourceDocument | Dropped:
    """The draft with a placeholder for each key or token; a document with a private key is left out.

    Raises:
        CorpusError: detect-secrets is not installed.
    """
    text = draft.text
    found = {match[0] for match in SECRET_CONTENTS.finditer(text)}
    if PRIVATE_KEY.search(text):
        return Dropped("private key")
    for detector in _detectors():
        found.update(secret for secret in detector.analyze_string(text) if secret)
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, PLACEHOLDER)
    return replace(draft, data=text) if found else draft


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
