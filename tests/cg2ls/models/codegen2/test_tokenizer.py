"""The tokenizer agrees with the published one and never turns text into a special token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from cg2ls.models.codegen2 import CodeTokenizer, TokenizerError
from cg2ls.models.codegen2.special_tokens import CODEGEN2

GOLDEN = {
    "def hello_world():\n    ": [4299, 23748, 62, 6894, 33529, 198, 50284],
    "\n    return name": [198, 50284, 7783, 1438],
    "    return x": [50284, 7783, 2124],
    " " * 40 + "x": [50257, 50279, 87],
    "\t\tif x:\n": [50294, 361, 2124, 25, 198],
    "\n    x": [198, 50284, 87],
}


@pytest.mark.parametrize("text", GOLDEN)
def test_ids_are_those_of_the_published_tokenizer(published: CodeTokenizer, text: str) -> None:
    assert published.encode(text) == GOLDEN[text]


def test_special_ids_are_the_published_ones(published: CodeTokenizer) -> None:
    assert published.special == CODEGEN2
    assert published.special.mask(1) == 51199
    assert published.special.mask(899) == 50301


def test_text_that_spells_special_tokens_stays_text(published: CodeTokenizer) -> None:
    for spelled in ("<mask_1>", "<|endoftext|>", "a <sep> b", "<eom><eom>", "<mask_12><mask_3>", "<dummy_2>"):
        tokens = published.encode(spelled)
        assert not any(published.special.is_stop(token) for token in tokens), spelled
        assert published.decode(tokens) == spelled


@given(
    st.text(st.one_of(st.sampled_from(list(" \t\n\rabz_(){}<|>é🦊\f\u2028")), st.characters(codec="utf-8")))
)
def test_decode_inverts_encode(published: CodeTokenizer, text: str) -> None:
    assert published.decode_bytes(published.encode(text)) == text.encode()


@given(st.lists(st.sampled_from(["x = 1\n", "<mask_1>", "    ", "é", "", "<eom>y"]), max_size=6))
def test_a_batch_is_encoded_as_its_texts_are(published: CodeTokenizer, texts: list[str]) -> None:
    assert published.encode_batch(texts) == [published.encode(text) for text in texts]


def test_special_tokens_vanish_when_decoded(published: CodeTokenizer) -> None:
    special = published.special
    assert published.decode([7783, special.eom, special.mask(5), 198]) == "return\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is missing"), ("{", "not a tokenizer"), ('{"version": "1.0"}', "not a tokenizer")],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TokenizerError, match=says) as error:
        CodeTokenizer.load(path)
    assert str(path) in str(error.value)


def test_tokens_after_the_masks_are_named(published: CodeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(published.to_json(), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.add_tokens(["<pad>"])
    with pytest.raises(TokenizerError, match=r"has tokens after <mask_1>, which must be the last \(<pad>\)"):
        CodeTokenizer(tokenizer)
