r"""A document's tokens by line, updated by encoding only the lines that an edit touched.

Text is cut after every run of line ends. CodeGen2's tokenizers encode blanks at a line's start by separate
tokens, so no token crosses a cut. Where code follows without indentation, the last line end of a run is a separate
token (GPT-2's pre-tokenizer, Radford et al. 2019, leaves one blank to the next text). Other tokenizers, such as
Qwen2's, keep the run whole; each is checked once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.difference import difference
from cg2ls.retrieval.memory.suffix_segment import NARROW

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cg2ls.retrieval.memory.suffix_segment import Tokens

_LINE = re.compile(r"[^\n]{0,4096}\n{1,256}|[^\n]{1,4096}")
"""Maximum length of a line. Longer ones are split, so that a key typed in them costs no more than elsewhere."""


class TokenLines:
    r"""The tokens of a text, by line.

    A line ends with a run of line ends, blank lines included.

    Args:
        encode: the tokenizer.
        numbers: type of the tokens (`suffix_segment.find_numbers`).
    """

    def __init__(self, encode: Callable[[str], list[int]], numbers: np.dtype[Any] = NARROW) -> None:
        self._encode = encode
        self._type = numbers
        self._splits_line_ends = encode("a\n\nb") == [*encode("a\n"), *encode("\nb")]
        self.text = ""
        self.tokens: Tokens = np.zeros(0, numbers)
        self._characters: NDArray[np.int32] = np.zeros(0, np.int32)
        self._counts: NDArray[np.int32] = np.zeros(0, np.int32)

    def update(self, text: str) -> tuple[int, int, Tokens] | None:
        r"""Update to a new version of the text.

        Args:
            text: text with `\n` line ends.

        Returns:
            Start and end of the replaced tokens, and the new tokens; None if nothing changed.
        """
        if text == self.text:
            return None
        start, end, new_end = difference(self.text, text)
        ends = np.cumsum(self._characters)
        first = int(np.searchsorted(ends, max(start - 1, 0), side="right"))
        last = min(int(np.searchsorted(ends, end, side="right")) + 1, len(ends))
        begin = int(ends[first - 1]) if first else 0
        stop = (int(ends[last - 1]) if last else 0) + new_end - end
        lines = _LINE.findall(text, begin, stop)
        encoded = self._encoded(lines, text[stop : stop + 1])
        fresh = np.array([token for line in encoded for token in line], self._type)
        low, high = int(self._counts[:first].sum()), int(self._counts[:last].sum())
        self.tokens = np.concatenate([self.tokens[:low], fresh, self.tokens[high:]])
        self._characters = _spliced(self._characters, first, last, [len(line) for line in lines])
        self._counts = _spliced(self._counts, first, last, [len(line) for line in encoded])
        self.text = text
        return low, high, fresh

    def before(self, offset: int) -> tuple[Tokens, range]:
        """Return the tokens before a place in the text, and the range of its own line's tokens.

        Args:
            offset: offset in characters, 0 to the text's length.
        """
        ends = np.cumsum(self._characters)
        line = min(int(np.searchsorted(ends, offset, side="right")), max(len(ends) - 1, 0))
        start = int(ends[line - 1]) if line else 0
        low = int(self._counts[:line].sum())
        high = low + (int(self._counts[line]) if len(self._counts) else 0)
        own = np.array(self._line(self.text[start:offset], "code") if offset > start else [], self._type)
        return np.concatenate([self.tokens[:low], own]), range(low, high)

    def _encoded(self, lines: list[str], after: str) -> list[list[int]]:
        followed = [*lines[1:], after]
        return [self._line(line, rest) for line, rest in zip(lines, followed, strict=False)]

    def _line(self, line: str, after: str) -> list[int]:
        """Encode a line that precedes a text."""
        if self._splits_line_ends and line.endswith("\n\n") and after and not after[0].isspace():
            return [*self._encode(line[:-1]), *self._encode("\n")]
        return self._encode(line)


def _spliced(values: NDArray[np.int32], first: int, last: int, new: list[int]) -> NDArray[np.int32]:
    return np.concatenate([values[:first], np.array(new, np.int32), values[last:]])
