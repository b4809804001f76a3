"""A trained tokenizer has CodeGen2's layout and loses no text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2_training.data.tokenizer import train_tokenizer
from cg2_training.errors import TrainingError
from cg2ls.models.codegen2 import CodeTokenizer


def test_the_masks_end_the_vocabulary(tokenizer: CodeTokenizer) -> None:
    special = tokenizer.special
    assert special.vocab_size == 640
    assert special.n_masks == 20
    assert special.mask(1) == 639
    assert special.eom == special.first_mask_id - 1
    assert special.sep == special.eom - 1


def test_padding_goes_before_the_added_tokens() -> None:
    tokenizer = train_tokenizer(["a b\n"], vocab_size=512, n_masks=10)
    assert tokenizer.special.vocab_size == 512
    assert tokenizer.special.mask(1) == 511
    assert tokenizer.special.end_of_text < 300


def test_runs_of_blanks_are_one_token(tokenizer: CodeTokenizer) -> None:
    for run in (" " * 2, " " * 4, " " * 31, "\t\t", "\t" * 9):
        assert len(tokenizer.encode(run + "x")) == 2


@given(st.text(st.one_of(st.sampled_from(list(" \t\nabc_(){}<é🦊")), st.characters(codec="utf-8"))))
def test_decode_inverts_encode(tokenizer: CodeTokenizer, text: str) -> None:
    assert tokenizer.decode_bytes(tokenizer.encode(text)) == text.encode()


def test_no_learned_token_mixes_runs_of_blanks_with_words(tokenizer: CodeTokenizer) -> None:
    added = {" " * n for n in range(2, 32)} | {"\t" * n for n in range(2, 10)}
    mixed = [t for t in tokenizer.token_bytes if b"  " in t and t.decode("utf-8", "replace") not in added]
    assert mixed == []


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(TrainingError, match="no room"):
        train_tokenizer(["x"], vocab_size=300, n_masks=20)
