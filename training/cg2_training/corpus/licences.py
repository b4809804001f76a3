"""Which licences may enter the corpus, and what a wheel says its licence is."""

import re
from email.message import Message

from cg2_training.corpus.errors import LicenceError

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

# Whole values of the free-text License field, compared in lower case.
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
# A compiler's run-time library, bundled as a binary beside the extension modules: never Python text.
_BINARY_ONLY = frozenset({"GPL-3.0-or-later WITH GCC-exception-3.1"})
_TOKEN = re.compile(r"\(|\)|[^\s()]+")


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression can be satisfied with licences of the allow-list alone.

    Args:
        expression: an SPDX licence expression, such as ``"MIT OR Apache-2.0"``.

    Returns:
        False also for text that is no SPDX expression.
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
            inside = either()
            return take() == ")" and inside
        if peek().upper() == "WITH":
            take()
            return f"{name} WITH {take()}" in _BINARY_ONLY
        return name in ALLOWED

    def both() -> bool:
        good = atom()
        while peek().upper() == "AND":
            take()
            good = atom() and good
        return good

    def either() -> bool:
        good = both()
        while peek().upper() == "OR":
            take()
            good = both() or good
        return good

    return either() and position == len(tokens)


def bsd_variant(licence_text: str) -> str:
    """Tell the two- and three-clause BSD licences apart by the no-endorsement clause."""
    squeezed = " ".join(licence_text.split()).lower()
    endorses = "neither the name" in squeezed or "endorse or promote" in squeezed
    return "BSD-3-Clause" if endorses else "BSD-2-Clause"


def declared(metadata: Message, licence_text: str) -> str | None:
    """What a distribution's METADATA says its licence is.

    Args:
        metadata: the parsed METADATA file.
        licence_text: the text of the distribution's own licence file, empty where it has none.

    Returns:
        An SPDX expression, or None where the METADATA leaves it open.

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
    for said in [*named, first]:
        if _COPYLEFT.search(said):
            raise LicenceError(f"the METADATA names the licence {said!r}, which is not permissive")
    found = sorted({_CLASSIFIERS[name] for name in named if name in _CLASSIFIERS})
    if not found and field:
        guess = _FIELD.get(first.lower(), first)
        found = [guess] if guess == "BSD" or is_allowed(guess) else []
    if not found:
        return None
    resolved = {bsd_variant(licence_text or field) if name == "BSD" else name for name in found}
    return " OR ".join(sorted(resolved))


def check(label: str, recorded: str, metadata: Message, licence_text: str) -> None:
    """Refuse an artifact whose licence is not allowed or is not the recorded one.

    Args:
        label: the package as ``name==version``, for the message.
        recorded: the SPDX expression in the manifest.
        metadata: the artifact's parsed METADATA.
        licence_text: the artifact's own licence file, or an empty string.

    Raises:
        LicenceError: either licence is refused, or they contradict each other.
    """
    if not is_allowed(recorded):
        raise LicenceError(f"{label}: the licence {recorded!r} is not on the allow-list; remove the package.")
    try:
        said = declared(metadata, licence_text)
    except LicenceError as error:
        raise LicenceError(f"{label}: {error}; remove the package from the manifest.") from error
    if said is None:
        return
    if not is_allowed(said):
        raise LicenceError(
            f"{label}: the artifact's METADATA says {said!r}, which is not on the allow-list; "
            "remove the package from the manifest."
        )
    if said != recorded:
        raise LicenceError(
            f"{label}: the manifest records {recorded!r} but the artifact's METADATA says {said!r}; "
            "pin the package anew with `cg2-train corpus pin`."
        )
