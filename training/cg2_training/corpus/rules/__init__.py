"""Rules: each takes a draft and gives it back, changed or not, or says why it is left out."""

from __future__ import annotations

from collections.abc import Callable

from cg2_training.corpus.draft import Dropped, SourceDocument

Rule = Callable[[SourceDocument], SourceDocument | Dropped]
