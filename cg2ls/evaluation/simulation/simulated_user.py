"""A simulated user: types a passage and accepts what is right, so that saved keys can be counted.

After each key that changes the text the user looks at what is shown, and takes

1. all of it if every line is what was to be written, with one key;
2. else its first line if that is right, with one key;
3. else its leading words as long as they are right, with one key each, if that saves at least `WORTH` keys.

Then the user looks again. Nothing wrong is ever accepted, nothing is read twice, and nobody waits.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.evaluation.simulation.sources import in_turns
from cg2ls.evaluation.simulation.typist import Draft

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.simulation.headless_editor import Editor
    from cg2ls.evaluation.simulation.passage import Passage
    from cg2ls.evaluation.simulation.sources import Source

LINES = (3, 8)
"""Fewest and most lines of a passage."""

WORTH = 2
"""Keys that words must save to be accepted."""

_WORDS = re.compile(r"\s*(?:\w+|[^\w\s]+)")


@dataclass
class Effort:
    """What writing one passage took.

    Attributes:
        alone: keys without any completion.
        keys: keys pressed, acceptances included.
        accepted: acceptances among them.
        looks: times that the user looked.
        shown: times that something was shown.
        useless: times that nothing of what was shown was worth accepting.
    """

    alone: int = 0
    keys: int = 0
    accepted: int = 0
    looks: int = 0
    shown: int = 0
    useless: int = 0


def sample_passages(sources: Sequence[Source], count: int, seed: int = 0) -> list[Draft]:
    """Files without a passage each, in turns from all repositories; below half of the passages nothing stands.

    Raises:
        ReplayError: no file has such passages.
    """

    def draw(source: Source, chance: random.Random) -> Callable[[], Draft | None]:
        return lambda: _without_passage(source, chance)

    return in_turns(sources, count, f"passages {seed}", draw)


def _without_passage(source: Source, chance: random.Random) -> Draft | None:
    lines = source.text.split("\n")
    begin = chance.randrange(1, len(lines)) if len(lines) > 1 else 0
    end = min(begin + chance.randint(*LINES), len(lines))
    while end > begin and not lines[end - 1].strip():
        end -= 1
    return (
        Draft.of(source, [range(begin, end)], ends=chance.random() < 0.5) if begin and end > begin else None
    )


def write(draft: Draft, editor: Editor) -> Effort:
    """Writes a draft's only passage to its end."""
    (passage,) = draft.passages
    effort = Effort(alone=keys_alone(passage))
    while not passage.finished:
        passage.step()
        effort.keys += 1
        while not passage.finished and _accept(draft, passage, editor, effort):
            pass
    return effort


def keys_alone(passage: Passage) -> int:
    """Keys that are needed without completion."""
    copy, keys = deepcopy(passage), 0
    while not copy.finished:
        copy.step()
        keys += 1
    return keys


def _accept(draft: Draft, passage: Passage, editor: Editor, effort: Effort) -> bool:
    """Looks once; whether anything was accepted."""
    answer = editor.ask(draft.source, draft.text, draft.cursor(passage))
    effort.looks += 1
    if not answer.text:
        return False
    effort.shown += 1
    for pieces, replace_length in _offers(answer.text, answer.replace_length, passage):
        for piece in pieces:
            passage.insert(piece, replace_length)
        effort.keys += len(pieces)
        effort.accepted += len(pieces)
        return True
    effort.useless += 1
    return False


def _offers(text: str, replace_length: int, passage: Passage) -> list[tuple[list[str], int]]:
    """What of the text is worth accepting, the best first: pieces that cost a key each."""
    line = text[: len(text) - len(text.lstrip("\n"))] + text.lstrip("\n").partition("\n")[0]
    offers = []
    if len(text) > 1 and passage.fits(text, replace_length):
        offers.append(([text], replace_length))
    elif len(line) > 1 and line != text and passage.fits(line, 0):
        offers.append(([line], 0))
    else:
        words: list[str] = []
        for found in _WORDS.finditer(text):
            if not passage.fits(text[: found.end()], 0):
                break
            words.append(found.group())
        while words and len(words[-1]) < 2:
            words.pop()
        if sum(map(len, words)) - len(words) >= WORTH:
            offers.append((words, 0))
    return offers
