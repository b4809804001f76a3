"""Which documents may be used, by the licences that apply to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.header import forbids_use
from cg2_training.corpus.licences import bsd_variant, is_allowed

OWN = "own"
"""A source's licence where its text is the user's own, or may be used for a reason that is theirs to know."""

_KNOWN_TEXTS = (
    (re.compile(r"Apache License\s+Version 2\.0", re.IGNORECASE), "Apache-2.0"),
    (re.compile(r"GNU (?:AFFERO |LESSER |LIBRARY )?GENERAL PUBLIC", re.IGNORECASE), "GPL"),
    (re.compile(r"Mozilla Public License", re.IGNORECASE), "MPL-2.0"),
    (re.compile(r"Redistribution and use in source and binary forms", re.IGNORECASE), "BSD"),
    (
        re.compile(r"Permission is hereby granted, free of charge, to any person", re.IGNORECASE),
        "MIT",
    ),
    (re.compile(r"Permission to use, copy, modify, and(?:/or)? distribute this software", re.IGNORECASE), "ISC"),
    (re.compile(r"free and unencumbered software released into the public domain", re.IGNORECASE), "Unlicense"),
    (re.compile(r"CC0 1\.0 Universal", re.IGNORECASE), "CC0-1.0"),
)  # fmt: skip
"""Sentences that only one licence has."""


@dataclass(frozen=True)
class LicenceRule:
    """Keeps documents all of whose licences are permissive.

    Attributes:
        default: SPDX expression, or OWN, of documents that say nothing themselves.
    """

    default: str = ""

    def __call__(self, draft: SourceDocument) -> SourceDocument | Dropped:
        """The draft, with its licences."""
        if self.default == OWN:
            return replace(draft, licences=(OWN,))
        licences = draft.licences or ((self.default,) if self.default else ())
        if not licences:
            return Dropped("no licence")
        if not all(map(is_allowed, licences)):
            return Dropped("licence")
        if forbids_use(draft.text):
            return Dropped("licence header")
        return replace(draft, licences=licences)


def licence_of_text(text: str) -> str:
    """SPDX id of a licence file by the sentences it has; "" for a text that is not known.

    A file that holds several licences gives all of them, joined by AND.
    """
    squeezed = " ".join(text.split())
    found = [name for pattern, name in _KNOWN_TEXTS if pattern.search(squeezed)]
    return " AND ".join(bsd_variant(squeezed) if name == "BSD" else name for name in found)
