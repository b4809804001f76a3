"""What other files say in a replay: each repository its own, and nothing that would give the answer away.

No document's own text counts but what stands in the replayed buffer, and of files with the same text none does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cg2ls.retrieval.context import PromptContext, SnippetIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.types import ContextOf
    from cg2ls.evaluation.quality.sources import Source
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer


class ReplayContexts:
    """The contexts of all replayed repositories.

    Args:
        sources: all files.
        tokenizer: the model's.
    """

    def __init__(self, sources: Sequence[Source], tokenizer: CodeTokenizer) -> None:
        self._sources = sources
        self._tokenizer = tokenizer
        self._made: dict[tuple[str, str], PromptContext] = {}

    def of(self, source: Source) -> ContextOf:
        """What a document's session asks."""
        key = source.repository, source.language
        if key not in self._made:
            here = [each for each in self._sources if (each.repository, each.language) == key]
            times = Counter(each.text for each in here)
            index = SnippetIndex((each.path, each.text) for each in here if times[each.text] == 1)
            self._made[key] = PromptContext(
                source.language, lambda text: len(self._tokenizer.encode(text)), index
            )
        context = self._made[key]

        def ask(text: str, offset: int, tokens: int) -> str:
            found = context.text(source.path, text, offset, tokens)
            context.recent.add(source.path, text, offset)
            return found

        return ask
