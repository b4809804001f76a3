"""Random checkpoints carry real tokenizers."""

from __future__ import annotations

import pytest

from cg2_quantize.checkpoint.published_tokenizers import build_codegen2_tokenizer
from cg2_quantize.checkpoint.synthetic import REFERENCE, build_small_tokenizer, write_random_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer
from cg2ls.models.codegen2.special_tokens import CODEGEN2


def test_the_published_vocabulary():
    tokenizer = CodeTokenizer(build_codegen2_tokenizer())
    assert tokenizer.special == CODEGEN2
    assert REFERENCE.vocab_size == CODEGEN2.vocab_size
    hello = "def hello_world():\n        return name"
    assert tokenizer.encode(hello) == [4299, 23748, 62, 6894, 33529, 198, 50280, 7783, 1438]
    assert tokenizer.encode("    return x") == [50284, 7783, 2124]
    assert tokenizer.encode(" " * 40 + "x") == [50257, 50279, 87]
    assert tokenizer.encode("\t\tif x:\n") == [50294, 361, 2124, 25, 198]


@pytest.mark.parametrize("size", [300, 384, 512, 2000])
def test_a_small_vocabulary_has_the_published_order(size):
    tokenizer = CodeTokenizer(build_small_tokenizer(size))
    special = tokenizer.special
    assert special.vocab_size == size
    assert special.end_of_text < special.sep < special.eom == special.first_mask_id - 1
    assert special.mask(1) == size - 1
    text = "def f(x):\n    return 'ünï' if x else None\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert max(tokenizer.encode(text)) < special.sep


def test_too_small_a_vocabulary():
    with pytest.raises(QuantizeError, match="at least 300"):
        build_small_tokenizer(299)


def test_the_seed_decides_the_weights(tmp_path):
    shape = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=32, vocab_size=300, n_inner=64
    )
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_checkpoint(tmp_path / name, shape, seed)
    a, b, c = (Checkpoint.open(tmp_path / name).tensor("lm_head.weight") for name in "abc")
    assert (a == b).all()
    assert (a != c).any()
