"""The cost of a key in a very long line, counted in encoded characters."""

from __future__ import annotations

import pytest

from cg2ls.retrieval.memory.token_lines import TokenLines

SIZE = 200_000


@pytest.mark.parametrize("char", ["a", "\n"])
def test_a_key_in_an_endless_line_costs_a_piece_of_it(char: str) -> None:
    encoded: list[int] = []

    def encode(text: str) -> list[int]:
        encoded.append(len(text))
        return [ord(each) for each in text]

    lines = TokenLines(encode)
    text = char * SIZE
    lines.update(text)
    for key in "bcdefgh":
        encoded.clear()
        text = text[: SIZE // 2] + key + text[SIZE // 2 :]
        lines.update(text)
        left, _ = lines.before(SIZE // 2 + 1)
        assert sum(encoded) < 20_000
        assert left.tolist() == [ord(each) for each in text[: SIZE // 2 + 1]]
    assert lines.tokens.tolist() == [ord(each) for each in text]
