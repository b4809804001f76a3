"""Permissive licences, and the licence that a package declares."""

import re
from email.message import Message

from cg2_training.errors import LicenceError

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Python-2.0",
        "Python-2.0.1",
        "Unlicense",
        "Zlib",
        "ZPL-2.1",
    }
)

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "Zope Public License": "ZPL-2.1",
}

# Complete values of the free-text License field, in lower case.
_FIELD = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "the mit license": "MIT",
    "psf": "PSF-2.0",
}

_COPYLEFT = re.compile(
    r"\b[AL]?GPL|GNU (?:Affero |Lesser |Library )?General Public|Mozilla Public|\bMPL\b|\bEPL\b|\bEUPL\b"
    r"|Eclipse Public|CC[- ]BY[- ](?:SA|NC|ND)|Proprietary|Business Source|\bSSPL\b|Commons Clause",
    re.IGNORECASE,
)
# A compiler's run-time library, which wheels bundle as a binary: it contains no Python text.
_ALLOWED_EXCEPTIONS = frozenset({"GPL-3.0-or-later WITH GCC-exception-3.1"})
_TOKEN = re.compile(r"\(|\)|[^\s()]+")

MAX_EXPRESSION_TOKENS = 200
"""Longer expressions are refused, since the parser is recursive."""

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
"""Sentences by which a licence text is recognised."""


def is_allowed(expression: str) -> bool:
    """Return whether licences on the allow-list satisfy an SPDX expression.

    Args:
        expression: such as "MIT OR Apache-2.0".

    Returns:
        False also for text that is not an SPDX expression.
    """
    tokens = _TOKEN.findall(expression)
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    def atom() -> bool:
        name = take()
        if name == "(":
            inside = any_of()
            return take() == ")" and inside
        if peek().upper() == "WITH":
            take()
            return f"{name} WITH {take()}" in _ALLOWED_EXCEPTIONS
        return name in ALLOWED

    def all_of() -> bool:
        allowed = atom()
        while peek().upper() == "AND":
            take()
            allowed = atom() and allowed
        return allowed

    def any_of() -> bool:
        allowed = all_of()
        while peek().upper() == "OR":
            take()
            allowed = all_of() or allowed
        return allowed

    return len(tokens) <= MAX_EXPRESSION_TOKENS and any_of() and position == len(tokens)


def identify_bsd_variant(licence_text: str) -> str:
    """Return the SPDX id of a two- or three-clause BSD licence; the no-endorsement clause decides."""
    squeezed = " ".join(licence_text.split()).lower()
    endorses = "neither the name" in squeezed or "endorse or promote" in squeezed
    return "BSD-3-Clause" if endorses else "BSD-2-Clause"


def declared_licence(metadata: Message, licence_text: str) -> str | None:
    """Return the licence that a distribution's METADATA declares.

    Args:
        metadata: the parsed METADATA file.
        licence_text: text of the distribution's licence file, or an empty string.

    Returns:
        An SPDX expression, or None if the METADATA has none.

    Raises:
        LicenceError: the METADATA names a copyleft or proprietary licence without an SPDX expression.
    """
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression).strip()
    named = [
        value.rsplit(" :: ", 1)[1]
        for value in map(str, metadata.get_all("Classifier") or [])
        if value.startswith("License :: ") and value != "License :: OSI Approved"
    ]
    field = str(metadata.get("License") or "").strip()
    first = field.split("\n", 1)[0].strip()
    for name in [*named, first]:
        if _COPYLEFT.search(name):
            raise LicenceError(f"the METADATA names the licence {name!r}, which is not permissive")
    found = sorted({_CLASSIFIERS[name] for name in named if name in _CLASSIFIERS})
    if not found and field:
        guess = _FIELD.get(first.lower(), first)
        found = [guess] if guess == "BSD" or is_allowed(guess) else []
    if not found:
        return None
    resolved = {identify_bsd_variant(licence_text or field) if name == "BSD" else name for name in found}
    return " OR ".join(sorted(resolved))


def identify_licence(text: str) -> str:
    """Return the SPDX id of a licence text, several joined by AND; "" if it is unknown."""
    squeezed = " ".join(text.split())
    found = [name for pattern, name in _KNOWN_TEXTS if pattern.search(squeezed)]
    return " AND ".join(identify_bsd_variant(squeezed) if name == "BSD" else name for name in found)


def check_licence(label: str, recorded: str, metadata: Message, licence_text: str) -> None:
    """Refuse a wheel whose licence is not allowed or differs from the recorded one.

    Args:
        label: the package as `name==version`, for messages.
        recorded: the SPDX expression in the manifest.
        metadata: the wheel's parsed METADATA.
        licence_text: text of the wheel's licence file, or an empty string.

    Raises:
        LicenceError: one of the licences is refused, or they differ.
    """
    if not is_allowed(recorded):
        raise LicenceError(f"{label}: the licence {recorded!r} is not on the allow-list; remove the package.")
    try:
        declared = declared_licence(metadata, licence_text)
    except LicenceError as error:
        raise LicenceError(f"{label}: {error}; remove the package from the manifest.") from error
    if declared is None:
        return
    if not is_allowed(declared):
        raise LicenceError(
            f"{label}: the wheel's METADATA says {declared!r}, which is not on the allow-list; "
            "remove the package from the manifest."
        )
    if declared != recorded:
        raise LicenceError(
            f"{label}: the manifest records {recorded!r} but the wheel's METADATA says {declared!r}; "
            "pin the package again with `cg2-train corpus pin`."
        )
