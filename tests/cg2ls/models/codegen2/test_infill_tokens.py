"""Infill layouts are detected from the tokenizer, and prompts are those of each publisher's example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CodeLlamaTokenizer

from cg2_quantize.checkpoint.published_tokenizers import remove_dummy_blank
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.infill_tokens import InfillError, StatedLayout, find_special_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX, SUFFIX = "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"
BAR = "\uff5c"


def byte_level(special: Sequence[str], start: str = "") -> Tokenizer:
    """A tokenizer of bytes and these special tokens, perhaps with one that begins every text."""
    alphabet = {text: token for token, text in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
        )
    return tokenizer


def opened(tokenizer: Tokenizer, stated: StatedLayout | None = None, rows: int = 400) -> CodeTokenizer:
    return CodeTokenizer(tokenizer, special=find_special_tokens(tokenizer, rows, "the tokenizer", stated))


STARCODER = ("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>")
QWEN = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|file_sep|>")
DEEPSEEK = tuple(
    f"<{BAR}{name}{BAR}>"
    for name in ("begin▁of▁sentence", "end▁of▁sentence", "fim▁hole", "fim▁begin", "fim▁end")
)

EXAMPLES = [
    (STARCODER, "", None, "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>"),
    (STARCODER, "", "spm", "<fim_prefix><fim_suffix>{suffix}<fim_middle>{prefix}"),
    (
        STARCODER,
        "",
        "spm:<fim_prefix>,<fim_suffix>,<fim_middle>",
        "<fim_suffix>{suffix}<fim_prefix>{prefix}<fim_middle>",
    ),
    (QWEN, "", None, "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"),
    (
        DEEPSEEK,
        DEEPSEEK[0],
        None,
        f"<{BAR}fim▁begin{BAR}>{{prefix}}<{BAR}fim▁hole{BAR}>{{suffix}}<{BAR}fim▁end{BAR}>",
    ),
]
"""Special tokens, the token that begins every text, what is stated, and the publisher's example: StarCoder's in both
orders, Mellum's, Qwen2.5-Coder's and DeepSeek-Coder's."""


@pytest.mark.parametrize(("special", "start", "stated", "example"), EXAMPLES)
def test_the_prompt_is_the_publishers(
    special: Sequence[str], start: str, stated: str | None, example: str
) -> None:
    library = byte_level(special, start)
    tokenizer = opened(library, StatedLayout.parse(stated) if stated else None)
    prefix, suffix = tokenizer.encode(PREFIX), tokenizer.encode(SUFFIX)
    expected = library.encode(example.format(prefix=PREFIX, suffix=SUFFIX)).ids
    assert tokenizer.special.lay_out(prefix, suffix, [], fills_in=True) == expected


@pytest.fixture
def code_llama() -> CodeLlamaTokenizer:
    """Code Llama's tokenizer of transformers with a small vocabulary, its blanks written as in the published file."""
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    texts += ["▁", "a", "d", "e", "f", "r", "de", "def", "▁def", "▁▁", "▁▁▁", "▁▁▁▁"]
    texts += ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]
    merges = [("d", "e"), ("de", "f"), ("▁", "def"), ("▁", "▁"), ("▁▁", "▁"), ("▁▁", "▁▁")]
    tokenizer = CodeLlamaTokenizer(vocab={text: at for at, text in enumerate(texts)}, merges=merges)
    tokenizer._tokenizer.pre_tokenizer = None
    tokenizer._tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return tokenizer


def without_dummy_blank(tokenizer: CodeLlamaTokenizer) -> Tokenizer:
    """The tokenizer as a conversion reads it from tokenizer.json."""
    raw = json.loads(tokenizer._tokenizer.to_str())
    assert remove_dummy_blank(raw)
    assert not remove_dummy_blank(raw), "there is none left"
    return Tokenizer.from_str(json.dumps(raw))


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_the_prompt_is_code_llamas(code_llama: CodeLlamaTokenizer, order: str) -> None:
    prefix, suffix = "def fade(d):\n    ", "\n\nadd\n"
    expected = code_llama(prefix, suffix=suffix, suffix_first=order == "spm", add_special_tokens=True)
    tokenizer = opened(without_dummy_blank(code_llama), StatedLayout(order))
    assert tokenizer.special.start == (1,)
    laid_out = tokenizer.special.lay_out(
        tokenizer.encode(" " + prefix), tokenizer.encode(suffix), [], fills_in=True
    )
    assert laid_out == expected["input_ids"]


def test_sentencepiece_tokens_have_the_bytes_of_their_text(code_llama: CodeLlamaTokenizer) -> None:
    tokenizer = opened(without_dummy_blank(code_llama))
    for text in ("def f(a):\n    é = a\n", "  x", "\t\n"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.token_bytes[tokenizer.special.fim.prefix[0]] == b""  # type: ignore[union-attr]


@pytest.mark.parametrize("special", [STARCODER, QWEN, DEEPSEEK])
def test_text_never_gives_a_special_token_and_every_special_token_ends_an_answer(
    special: Sequence[str],
) -> None:
    library = byte_level(special)
    tokenizer = opened(library)
    for text in special:
        ids = tokenizer.encode(f"a = '{text}'")
        assert max(ids) < 256, text
        assert tokenizer.decode(ids) == f"a = '{text}'"
        assert tokenizer.special.is_stop(library.token_to_id(text)), text
    assert not tokenizer.special.is_stop(tokenizer.encode("a")[0])


def test_a_vocabulary_without_infill_tokens_only_continues() -> None:
    special = opened(byte_level(["<|endoftext|>"])).special
    assert special.layout is None
    assert special.lay_out([1, 2], [3], [4], fills_in=True) == [1, 2, 4]
    assert opened(byte_level(QWEN), StatedLayout.parse("none")).special.layout is None


def test_the_models_rows_may_be_more_than_the_tokens() -> None:
    tokenizer = opened(byte_level(QWEN), rows=300)
    assert tokenizer.special.vocab_size == len(tokenizer.token_bytes) == 300
    with pytest.raises(InfillError, match="has token 261, but the model has 261 tokens"):
        opened(byte_level(QWEN), rows=261)


@pytest.mark.parametrize(
    ("special", "stated", "says"),
    [
        (["<pad>"], None, "no token that ends a document"),
        (["<|endoftext|>"], "spm", "no infill tokens that are known here; name them"),
        (QWEN, "psm:<PRE>,<SUF>,<MID>", "no token '<PRE>'"),
    ],
)
def test_missing_tokens_are_named(special: Sequence[str], stated: str | None, says: str) -> None:
    with pytest.raises(InfillError, match=says):
        opened(byte_level(special), StatedLayout.parse(stated) if stated else None)


@pytest.mark.parametrize("text", ["", "fim", "psm:", "psm:a,b", "none:a,b,c", "spm:a,,c", "psm:a,b,c,d"])
def test_an_unreadable_layout_is_reported_in_one_sentence(text: str) -> None:
    with pytest.raises(InfillError, match="is no infill layout; give psm, spm, none"):
        StatedLayout.parse(text)
