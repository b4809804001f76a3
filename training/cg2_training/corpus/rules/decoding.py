"""Bytes to text."""

from __future__ import annotations

from dataclasses import replace

from cg2_training.corpus.draft import Dropped, SourceDocument


def decoded(draft: SourceDocument) -> SourceDocument | Dropped:
    r"""The draft with text for bytes and `\n` for other line ends; text that is no UTF-8 is left out."""
    text = draft.data
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError:
            return Dropped("not UTF-8")
    if "\0" in text:
        return Dropped("not UTF-8")
    # Half of a surrogate pair, which JSON can spell, is no character that UTF-8 can write.
    try:
        text.encode()
    except UnicodeEncodeError:
        return Dropped("not UTF-8")
    return replace(draft, data=text.replace("\r\n", "\n").replace("\r", "\n"))
