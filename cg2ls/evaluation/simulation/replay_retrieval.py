"""Repository memory and context of a replay: each repository has its own, and neither contains the answer.

A document's file on disk never counts, only the text of the replayed buffer. Files that have the same text as another
file of their repository are left out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cg2ls.retrieval.context import PromptContext, SnippetIndex
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.store import Store
from cg2ls.workspace import ReadingRules, Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.types import ContextOf
    from cg2ls.evaluation.simulation.sources import SourceFile
    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.prior import MemoryPrior
    from cg2ls.retrieval.memory.vote_mixture import Mixture

Scope = Literal["on", "off", "file"]
"""The whole repository, nothing, or the text of the document itself."""


class ReplayMemory:
    """Memories of all replayed repositories, built at first use, in a folder that is removed.

    Args:
        paths: paths under which the sources were found.
        sources: all sources.
        tokenizer: the model's tokenizer.
        scope: text that the memories contain.
        mixture: weights of the votes; None for the shipped ones.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        sources: Sequence[SourceFile],
        tokenizer: CodeTokenizer,
        scope: Scope,
        mixture: Mixture | None = None,
    ) -> None:
        self._roots = {path.absolute().name: path for path in paths}
        self._sources = sources
        self._tokenizer = tokenizer
        self._scope = scope
        self._mixture = mixture
        self._folder = tempfile.TemporaryDirectory(prefix="cg2ls-replay-")
        self._opened: dict[tuple[str, str], Memory] = {}

    def prior(self, source: SourceFile, text: str, offset: int) -> MemoryPrior | None:
        """Return memory's prior for a place of a document."""
        if self._scope == "off":
            return None
        key = source.repository, source.language
        memory = self._opened.get(key)
        if memory is None:
            memory = self._opened[key] = self._open(*key)
        return memory.prior(source.path, text, offset)

    def open_all(self) -> None:
        """Build all memories, as a server does before anyone types."""
        for source in {(source.repository, source.language): source for source in self._sources}.values():
            self.prior(source, "", 0)

    def close(self) -> None:
        """Remove the indexes."""
        self._folder.cleanup()

    def _open(self, repository: str, language: str) -> Memory:
        path = self._roots[repository]
        root = path if path.is_dir() else path.parent
        workspace = Workspace(root, ReadingRules(exclude=self._copies(repository)))
        store = Store.of(workspace.root, language, self._tokenizer, Path(self._folder.name))
        memory = Memory(workspace, language, self._tokenizer, self._mixture, store)
        if self._scope == "on" and path.is_dir():
            memory.refresh()
        return memory

    def _copies(self, repository: str) -> tuple[str, ...]:
        """Return patterns for the files whose text another file has, too."""
        here = [source for source in self._sources if source.repository == repository]
        times = Counter(source.text for source in here)
        return tuple(_exactly(source.path) for source in here if times[source.text] > 1)


def _exactly(path: str) -> str:
    """Return a pattern of .gitignore for one file."""
    return "/" + "".join(f"\\{char}" if char in "*?[]!#\\ " else char for char in path)


class ReplayContexts:
    """Contexts of all replayed repositories.

    Args:
        sources: all files.
        tokenizer: the model's tokenizer.
    """

    def __init__(self, sources: Sequence[SourceFile], tokenizer: CodeTokenizer) -> None:
        self._sources = sources
        self._tokenizer = tokenizer
        self._made: dict[tuple[str, str], PromptContext] = {}

    def of(self, source: SourceFile) -> ContextOf:
        """Return the function by which a document's session gets context."""
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
