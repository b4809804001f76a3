"""The rules that a document passes on its way into the corpus, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.rules import Rule
from cg2_training.corpus.rules.licence import LicenceRule
from cg2_training.corpus.rules.quality import (
    check_python,
    check_size,
    decode_text,
    drop_machine_written,
    remove_banner,
)
from cg2_training.corpus.rules.redaction import (
    PersonalDataPolicy,
    SecretPolicy,
    drop_secrets,
    redact_personal_data,
    redact_secrets,
)

if TYPE_CHECKING:
    from cg2_training.corpus.collection import SourceSpec

REDACTIONS: dict[str, Rule] = {"secrets": redact_secrets, "personal data": redact_personal_data}
"""Rules that replace parts of a text, by their name in the report."""


def rules_for(spec: SourceSpec) -> list[Rule]:
    """Return the rules of one source, the cheap ones first."""
    # `clean_python` must work without the packages that cg2ls.workspace needs.
    from cg2_training.corpus.rules.language import LanguageRule

    language = LanguageRule(spec.languages)
    return [check_size, language, *_content_rules(spec.licence, spec.secrets, spec.personal_data)]


def _content_rules(licence: str, secrets: SecretPolicy, personal_data: PersonalDataPolicy) -> list[Rule]:
    rules: list[Rule] = [LicenceRule(licence), drop_machine_written]
    if secrets == "drop":
        rules.append(drop_secrets)
    rules += [check_python, remove_banner]
    redactions: list[Rule] = []
    if secrets == "redact":
        redactions.append(redact_secrets)
    if personal_data == "redact":
        redactions.append(redact_personal_data)
    if redactions:
        # A placeholder can break the syntax, so Python is parsed again.
        rules += [*redactions, check_python]
    return [*rules, check_size]


def clean_python(data: bytes, path: str, licence: str) -> str | None:
    """Return the text of a published Python file, or None if a rule drops it.

    Nothing in the text is replaced; a file with a key or token is dropped.

    Args:
        data: content of the file.
        path: path of the file.
        licence: SPDX expression of the package.
    """
    document = SourceDocument(data, path, language="python")
    result = clean(document, [decode_text, check_size, *_content_rules(licence, "drop", "keep")])
    return result.text if isinstance(result, SourceDocument) else None


def clean(
    document: SourceDocument | Dropped, rules: Iterable[Rule], redacted: Counter[str] | None = None
) -> SourceDocument | Dropped:
    """Apply rules to a document until one drops it.

    Args:
        document: decoded, unless `decode_text` is the first rule.
        rules: rules in their order.
        redacted: counts the redactions that changed the document, by name.
    """
    for rule in rules:
        if isinstance(document, Dropped):
            break
        before, document = document, rule(document)
        if redacted is not None and isinstance(document, SourceDocument) and document.data != before.data:
            redacted.update(name for name, redaction in REDACTIONS.items() if redaction is rule)
    return document
