"""The licence that a folder or a repository says it is under, by the file at its top."""

from __future__ import annotations

from cg2_training.corpus.draft import SourceDocument
from cg2_training.corpus.readers import Place, read
from cg2_training.corpus.rules.licence import licence_of_text

_NAMES = ("licence", "license", "copying", "unlicense")


def licence_at(place: Place, commit: str = "HEAD") -> str:
    """SPDX expression by the licence files at the top; "" where there is none that is known.

    Args:
        place: a folder or repository; others say their licence themselves.
        commit: of a repository.
    """
    if place.kind == "folder":
        texts = [
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(place.path.iterdir())
            if _names_one(path.name) and path.is_file() and not path.is_symlink()
        ]
    elif place.kind == "git":
        texts = [
            draft.data.decode("utf-8", "replace")
            for draft in read(place, lambda path: "/" not in path and _names_one(path), commit=commit)
            if isinstance(draft, SourceDocument) and isinstance(draft.data, bytes)
        ]
    else:
        return ""
    found = [licence_of_text(text) for text in texts]
    if not all(found):
        return ""
    # Several files are a choice in some projects and a sum in others; the sum is the safe reading.
    return " AND ".join(dict.fromkeys(found))


def _names_one(name: str) -> bool:
    return name.lower().startswith(_NAMES)
