"""Rules: each returns a document, changed or not, or the reason for which it is left out."""

from __future__ import annotations

from collections.abc import Callable

from cg2_training.corpus.document import Dropped, SourceDocument

Rule = Callable[[SourceDocument], SourceDocument | Dropped]
