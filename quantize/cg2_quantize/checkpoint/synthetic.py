"""Checkpoints of random weights, of any shape, with a real tokenizer.

For tests and for speed measurements, which do not depend on the weights' values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from cg2_quantize.checkpoint.published_tokenizers import (
    add_code_tokens,
    build_byte_level_tokenizer,
    build_codegen2_tokenizer,
    build_codegen25_tokenizer,
    dummy_tokens,
    mask_tokens,
)
from cg2_quantize.errors import QuantizeError
from cg2_quantize.verification.known_code import UNTRAINED_KEY
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.checkpoint import INDEX, tensor_shapes
from cg2ls.models.codegen2.config import CODEGEN2, CODEGEN25, LLAMA, QWEN2
from cg2ls.models.codegen2.infill_tokens import find_special_tokens
from cg2ls.models.codegen2.special_tokens import CODEGEN2 as PUBLISHED
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT, EOM, SEP, SPACE_RUNS
from cg2ls.models.folder.description import Infill
from cg2ls.models.folder.facts import FACTS, Facts

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.formats.rounding import Float32

REFERENCE = CodeGenConfig(
    n_layer=8, n_embd=512, n_head=8, rotary_dim=32, n_positions=2048, vocab_size=51200, n_inner=2048
)
"""The shape of the model for speed measurements."""

LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
MAX_MASKS = 99


def write_random_checkpoint(folder: Path, config: CodeGenConfig, seed: int = 0) -> None:
    """Write a checkpoint of random weights, replacing an existing one.

    Args:
        folder: the checkpoint to make.
        config: any shape; a vocabulary of 51200 has the published tokens, a smaller one (at least 300)
            bytes, common letter pairs, runs of spaces and masks. Llama and Qwen2 get Qwen2.5-Coder's infill tokens.
        seed: of the weights.

    Raises:
        QuantizeError: the vocabulary is too small, or the package with GPT-2's vocabulary is missing.
    """
    checked = _make_tokenizer(config)
    random = np.random.default_rng(seed)
    tensors = {name: _random(random, name, shape) for name, shape in tensor_shapes(config).items()}
    write_checkpoint(folder, config, tensors, checked.to_json(), end_of_text_id=checked.special.end_of_text)
    facts = Facts(name=folder.name, infill=Infill(character_cuts=True, anchor_max_tokens=64))
    facts.write(folder)
    _declare_untrained(folder)


def _make_tokenizer(config: CodeGenConfig) -> CodeTokenizer:
    if config.family in (LLAMA, QWEN2):
        tokenizer = build_open_tokenizer(min(config.vocab_size, MAX_OPEN_TOKENS))
        return CodeTokenizer(
            tokenizer, special=find_special_tokens(tokenizer, config.vocab_size, "the tokenizer")
        )
    published = {CODEGEN2: build_codegen2_tokenizer, CODEGEN25: build_codegen25_tokenizer}[config.family]
    is_published = config.vocab_size == PUBLISHED.vocab_size
    return CodeTokenizer(published() if is_published else build_small_tokenizer(config.vocab_size))


MAX_OPEN_TOKENS = 900
"""Tokens of an open model's synthetic tokenizer; the other rows of its vocabulary are never spelled."""

QWEN_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""Qwen2's pieces: a word takes the character before it, punctuation the line ends after it."""

QWEN_CONTROLS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|file_sep|>",
)


def build_open_tokenizer(vocab_size: int) -> Tokenizer:
    """Build a byte-level tokenizer of Qwen2.5-Coder's kind: its pieces, and its infill tokens at the end.

    Raises:
        QuantizeError: the size is too small.
    """
    free_tokens = vocab_size - 256 - len(QWEN_CONTROLS)
    if free_tokens < 0:
        raise QuantizeError(f"A vocabulary of {vocab_size} tokens is too small; give it at least 300.")
    pairs = [("Ġ", letter) for letter in LETTERS] + [(a, b) for a in LETTERS for b in LETTERS]
    merges = pairs[:free_tokens]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: token for token, text in enumerate([*alphabet, *(a + b for a, b in merges)])}
    tokenizer = build_byte_level_tokenizer(vocabulary, merges)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in QWEN_CONTROLS])
    return tokenizer


def build_small_tokenizer(vocab_size: int) -> Tokenizer:
    """Build a byte-level tokenizer of 300 tokens or more: bytes, pairs, blanks, padding, masks last.

    Raises:
        QuantizeError: the size is too small.
    """
    fixed = 256 + len((END_OF_TEXT, SEP, EOM))
    if vocab_size < 300:
        raise QuantizeError(f"A vocabulary of {vocab_size} tokens is too small; give it at least 300.")
    free_tokens = vocab_size - fixed
    n_masks = min(MAX_MASKS, free_tokens // 4)
    blanks = list(SPACE_RUNS[-(free_tokens // 4) :])
    free_tokens -= n_masks + len(blanks)
    pairs = [("Ġ", letter) for letter in LETTERS] + [(a, b) for a in LETTERS for b in LETTERS]
    merges = pairs[:free_tokens]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: token for token, text in enumerate([*alphabet, *(a + b for a, b in merges)])}
    tokenizer = build_byte_level_tokenizer(vocabulary, merges)
    return add_code_tokens(
        tokenizer, [*blanks, *dummy_tokens(free_tokens - len(merges)), SEP, EOM, *mask_tokens(n_masks)]
    )


def _random(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Float32:
    """Return values large enough that a mistake in any tensor shows in the logits."""
    if len(shape) == 1:
        middle = 1.0 if name.endswith("weight") else 0.0
        return random.normal(middle, 0.1, shape).astype(np.float32)
    values = random.standard_normal(shape, dtype=np.float32)
    return values * np.float32(1.0 if "wte" in name or "embed" in name else shape[1] ** -0.5)


def write_sparse_checkpoint(folder: Path, config: CodeGenConfig, shards: int = 8) -> None:
    """Write a sharded checkpoint of zeros in bfloat16, of any size, that takes no disk space.

    It serves to measure the conversion of a large model: memory and time do not depend on the values.

    Args:
        folder: a new folder.
        config: the shape; its vocabulary is the published one.
        shards: number of files.
    """
    folder.mkdir(parents=True)
    tokenizer = CodeTokenizer(build_codegen2_tokenizer())
    end = tokenizer.special.end_of_text
    (folder / "config.json").write_text(json.dumps(config.to_dict(end_of_text_id=end)))
    (folder / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    shapes = list(tensor_shapes(config).items())
    index: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        header, offset = {}, 0
        for name, shape in shapes[number::shards]:
            length = 2 * int(np.prod(shape))
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + length]}
            offset += length
            index[name] = file
        raw = json.dumps(header).encode()
        with (folder / file).open("wb") as shard:
            shard.write(len(raw).to_bytes(8, "little") + raw)
            shard.truncate(8 + len(raw) + offset)
    (folder / INDEX).write_text(json.dumps({"weight_map": index}))
    _declare_untrained(folder)


def _declare_untrained(folder: Path) -> None:
    """Declare in cg2ls.json that the weights are untrained, since they look like damaged ones."""
    path = folder / FACTS
    stated = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(stated | {UNTRAINED_KEY: True}, indent=2) + "\n", encoding="utf-8")
