"""The published tokenizers, by their publisher's vectors (and ours, computed from the published files)."""

from __future__ import annotations

import json

import pytest

from cg2_quantize.checkpoint.published_tokenizers import (
    build_codegen2_tokenizer,
    build_codegen25_tokenizer,
    load_gpt2_ranks,
    load_tokenizer,
)
from cg2_quantize.errors import QuantizeError
from cg2ls.errors import Cg2Error


@pytest.fixture(scope="module")
def tokenizer():
    return build_codegen25_tokenizer()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("prefix<mask_1>suffix<|endoftext|><sep><mask_1>", [40290, 51199, 37333, 844, 50256, 50317, 51199]),
        ("<fim_prefix>abc<fim_suffix>xyz<fim_middle>", [50295, 39305, 50297, 5431, 89, 50296]),
        (
            "int add(int a, int b) { return a + b; }\nπ",
            [
                *(600, 751, 7, 600, 257, 11, 493, 275, 8, 1391, 1441, 257, 1343, 275, 26, 1782, 198),
                46582,
            ],
        ),
    ],
)
def test_codegen25_gives_the_publishers_vectors(tokenizer, text, ids):
    assert tokenizer.encode(text).ids == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (" " * 31, [50257]),
        (" " * 2, [50286]),
        (" " * 40, [50257, 50279]),
        ("\t" * 9, [50287]),
        ("\t\t", [50294]),
        ("    x", [50285, 2124]),
    ],
)
def test_codegen25_makes_runs_of_blanks_after_splitting_words(tokenizer, text, ids):
    assert tokenizer.encode(text).ids == ids


def test_codegen25_has_its_tokens_where_they_were_published(tokenizer):
    assert tokenizer.get_vocab_size() == 51200
    for text, token in (("<dummy_0>", 50313), ("<eom>", 50318), ("<mask_881>", 50319), ("<reponame>", 50312)):
        assert tokenizer.token_to_id(text) == token


def test_decoding_gives_the_text_back(tokenizer):
    text = "def f(x):\n\t\tif x:\n          return  π\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_ranks_come_from_a_given_folder(tmp_path):
    vocabulary, merges = load_gpt2_ranks()
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version\n" + "\n".join(" ".join(pair) for pair in merges))
    assert load_gpt2_ranks(tmp_path) == (vocabulary, merges)
    with pytest.raises(QuantizeError, match=r"no vocab\.json"):
        load_gpt2_ranks(tmp_path / "elsewhere")


@pytest.mark.parametrize(("family", "expected"), [("codegen", 50300), ("llama", 50318)])
def test_a_checkpoint_without_a_tokenizer_gets_its_familys(tmp_path, family, expected):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    made = json.loads(load_tokenizer(tmp_path, None, 51200).to_json())
    assert {entry["content"]: entry["id"] for entry in made["added_tokens"]}["<eom>"] == expected
    assert build_codegen2_tokenizer().token_to_id("<eom>") == 50300


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vocab.json", "version https://git-lfs.github.com/spec/v1\n", r"vocab\.json is a Git LFS pointer"),
        ("vocab.json", "{", r"vocab\.json cannot be read as JSON"),
        ("vocab.json", '{"a": "b"}', "its values must be token numbers"),
        ("merges.txt", "version https://git-lfs.github.com/spec/v1\n", r"merges\.txt is a Git LFS pointer"),
        ("merges.txt", "#version: 0.2\na b c\n", "'a b c' is not a pair"),
        ("merges.txt", "#version: 0.2\nqq zz\n", "make no tokenizer"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_reported_in_one_sentence(tmp_path, name, content, says):
    (tmp_path / "config.json").write_text('{"model_type": "codegen"}')
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / name).write_text(content)
    with pytest.raises(Cg2Error, match=says):
        load_tokenizer(tmp_path, None, 51200)
