"""A file that lacks some passages, and fills up while they are written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.evaluation.quality.passage import Passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cg2ls.evaluation.quality.sources import Source

HASH_LANGUAGES = frozenset({"python", "ruby", "shellscript"})
"""LSP ids of the languages whose comments begin with #."""


@dataclass
class Draft:
    """A file being written.

    Attributes:
        source: the whole file.
        pieces: the file in order: what stands, and passages to be written.
    """

    source: Source
    pieces: Sequence[str | Passage]

    @classmethod
    def of(cls, source: Source, holes: Iterable[range], *, ends: bool = False) -> Draft:
        """A file without some of its lines.

        Args:
            source: the file.
            holes: lines to be written, from 0, in order and not touching; never the first, and the last of
                a hole is not blank.
            ends: whether nothing stands behind the last hole.
        """
        lines = source.text.split("\n")
        unit, comment = indentation_unit(lines), "#" if source.language in HASH_LANGUAGES else "//"
        pieces: list[str | Passage] = []
        start = 0
        for hole in holes:
            pieces.append(("\n" if start else "") + "\n".join(lines[start : hole.start]))
            target = "\n" + "\n".join(lines[hole.start : hole.stop])
            pieces.append(Passage(target, lines[hole.start - 1], unit, comment))
            start = hole.stop
        if start < len(lines) and not ends:
            pieces.append(("\n" if start else "") + "\n".join(lines[start:]))
        return cls(source, pieces)

    @property
    def passages(self) -> list[Passage]:
        """Those to be written."""
        return [piece for piece in self.pieces if isinstance(piece, Passage)]

    @property
    def text(self) -> str:
        """The document as it stands."""
        return "".join(
            piece.left + piece.right if isinstance(piece, Passage) else piece for piece in self.pieces
        )

    def cursor(self, passage: Passage) -> int:
        """Offset of the cursor in `text` while someone writes this passage."""
        offset = 0
        for piece in self.pieces:
            if piece is passage:
                return offset + len(passage.left)
            offset += len(piece.left) + len(piece.right) if isinstance(piece, Passage) else len(piece)
        raise ValueError("the passage is not of this draft")


def indentation_unit(lines: Sequence[str]) -> str:
    """One step of indentation: the commonest by which a line stands deeper than the one above it."""
    steps: Counter[str] = Counter()
    above = ""
    for line in lines:
        if not line.strip():
            continue
        deep = line[: len(line) - len(line.lstrip())]
        if len(deep) > len(above) and deep.startswith(above):
            steps[deep[len(above) :]] += 1
        above = deep
    return steps.most_common(1)[0][0] if steps else "    "
