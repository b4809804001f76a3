"""Training of a byte-level BPE tokenizer, with CodeGen2's added tokens at the end of the vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from cg2_training.errors import TrainingError
from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT, EOM, SEP, SPACE_RUNS, TAB_RUNS


def train_tokenizer(texts: Iterable[str], vocab_size: int, n_masks: int) -> CodeTokenizer:
    """Learn merges from texts and lay out the vocabulary as CodeGen2 does.

    The order of ids is: learned tokens, `<|endoftext|>`, padding (`<dummy_K>`, when the texts yield too few
    merges), runs of blanks, runs of tabs, `<sep>`, `<eom>`, `<mask_n>` down to `<mask_1>`.

    Args:
        texts: documents to learn from.
        vocab_size: size of the whole vocabulary.
        n_masks: number of `<mask_N>` tokens.

    Raises:
        TrainingError: the vocabulary is too small for the bytes and added tokens.
    """
    tail = [*SPACE_RUNS, *TAB_RUNS, SEP, EOM, *(f"<mask_{n}>" for n in range(n_masks, 0, -1))]
    learned = vocab_size - len(tail) - 1
    if learned < 256:
        raise TrainingError(
            f"a vocabulary of {vocab_size} has no room for 256 bytes and {len(tail) + 1} added tokens;"
            " choose a larger vocabulary."
        )
    vocabulary, merges = _learn(texts, learned)
    vocabulary[END_OF_TEXT] = len(vocabulary)
    for number in range(learned + 1 - len(vocabulary)):
        vocabulary[f"<dummy_{number}>"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=True) for text in tail])
    return CodeTokenizer(tokenizer)


def padding_problem(tokenizer: CodeTokenizer) -> str:
    """Return a notice about a vocabulary that the texts did not fill; "" if few tokens are padding.

    Raises:
        TrainingError: most tokens are padding.
    """
    size = tokenizer.special.vocab_size
    padding = tokenizer.to_json().count('"<dummy_')
    if padding > size // 2:
        raise TrainingError(
            f"the corpus yields {size - padding:,} tokens, so {padding:,} of {size:,} would be padding; give it more"
            f" text, or choose --vocab-size {size - padding}."
        )
    if padding > size // 20:
        return f"{padding:,} of {size:,} tokens are padding, since the corpus yields no more; add text to use them."
    return ""


def _learn(texts: Iterable[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a vocabulary of at most `size` entries and its merges, which exclude runs of whitespace."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" {2,}|\t{2,}"), behavior="removed"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(_batches(texts), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return dict(model["vocab"]), [(left, right) for left, right in model["merges"]]


def _batches(texts: Iterable[str], size: int = 1000) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
