"""Simulated user: types a passage and accepts right text, so that saved keys can be counted.

After each key that changes the text, the user examines the suggestion, and accepts

1. all of it if every line equals the target, with one key;
2. else its first line if that is right, with one key;
3. else its leading words as long as they are right, with one key each, if that saves at least `MIN_SAVED_KEYS` keys.

Then the user examines the new suggestion. This user accepts no wrong text, reads no text twice and never waits.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cg2ls.evaluation.simulation.sources import draw_in_turns
from cg2ls.evaluation.simulation.typist import PartialFile

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.simulation.passage import Passage
    from cg2ls.evaluation.simulation.sources import SourceFile

PASSAGE_LINES = (3, 8)
"""Minimum and maximum lines of a passage."""

MIN_SAVED_KEYS = 2
"""Keys that words must save to be accepted."""

_WORDS = re.compile(r"\s*(?:\w+|[^\w\s]+)")


class GhostText(Protocol):
    """What an editor shows at the cursor."""

    @property
    def text(self) -> str:
        """Text to insert; "" for nothing."""
        ...

    @property
    def replace_length(self) -> int:
        """Characters after the cursor that the text replaces."""
        ...


class SuggestingEditor(Protocol):
    """Editor that shows suggestions, in this process or over LSP."""

    def ask(self, source: SourceFile, text: str, offset: int) -> GhostText:
        """Return the suggestion at an offset of a document."""
        ...


@dataclass
class Effort:
    """Effort of writing one passage.

    Attributes:
        alone: keys without any completion.
        keys: keys pressed, acceptances included.
        accepted: acceptances among them.
        looks: number of times that the user examined a suggestion.
        shown: number of times that something was shown.
        useless: number of times that no part of the suggestion was worth accepting.
    """

    alone: int = 0
    keys: int = 0
    accepted: int = 0
    looks: int = 0
    shown: int = 0
    useless: int = 0


def sample_passages(sources: Sequence[SourceFile], count: int, seed: int = 0) -> list[PartialFile]:
    """Draw files without a passage each, in turns from all repositories; half of the passages end their file.

    Raises:
        EvaluationError: no file has such passages.
    """

    def draw(source: SourceFile, random_source: random.Random) -> Callable[[], PartialFile | None]:
        return lambda: _without_passage(source, random_source)

    return draw_in_turns(sources, count, f"passages {seed}", draw)


def _without_passage(source: SourceFile, random_source: random.Random) -> PartialFile | None:
    lines = source.text.split("\n")
    begin = random_source.randrange(1, len(lines)) if len(lines) > 1 else 0
    end = min(begin + random_source.randint(*PASSAGE_LINES), len(lines))
    while end > begin and not lines[end - 1].strip():
        end -= 1
    if not begin or end == begin:
        return None
    return PartialFile.of(source, [range(begin, end)], ends_with_hole=random_source.random() < 0.5)


def write_passage(file: PartialFile, editor: SuggestingEditor) -> Effort:
    """Write a file's only passage to its end."""
    (passage,) = file.passages
    effort = Effort(alone=count_keys_alone(passage))
    while not passage.finished:
        passage.press_next_key()
        effort.keys += 1
        while not passage.finished and _look(file, passage, editor, effort):
            pass
    return effort


def count_keys_alone(passage: Passage) -> int:
    """Count the keys that are needed without completion."""
    copy, keys = deepcopy(passage), 0
    while not copy.finished:
        copy.press_next_key()
        keys += 1
    return keys


def _look(file: PartialFile, passage: Passage, editor: SuggestingEditor, effort: Effort) -> bool:
    """Examine the suggestion once; tell whether anything was accepted."""
    answer = editor.ask(file.source, file.text, file.get_cursor(passage))
    effort.looks += 1
    if not answer.text:
        return False
    effort.shown += 1
    pieces, replace_length = _find_offer(answer.text, answer.replace_length, passage)
    for piece in pieces:
        passage.insert(piece, replace_length)
    effort.keys += len(pieces)
    effort.accepted += len(pieces)
    effort.useless += not pieces
    return bool(pieces)


def _find_offer(text: str, replace_length: int, passage: Passage) -> tuple[list[str], int]:
    """Return the parts of a text that are worth accepting: pieces that cost a key each, and the replaced length."""
    line = text[: len(text) - len(text.lstrip("\n"))] + text.lstrip("\n").partition("\n")[0]
    if len(text) > 1 and passage.accepts(text, replace_length):
        return [text], replace_length
    if len(line) > 1 and line != text and passage.accepts(line, 0):
        return [line], 0
    words: list[str] = []
    for match in _WORDS.finditer(text):
        if not passage.accepts(text[: match.end()], 0):
            break
        words.append(match.group())
    while words and len(words[-1]) < 2:
        words.pop()
    return (words, 0) if sum(map(len, words)) - len(words) >= MIN_SAVED_KEYS else ([], 0)
