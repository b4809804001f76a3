"""Tokenizer for the published vocabulary and for ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.files import problem_of
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT, EOM, SEP, STARCODER, SpecialTokens

SPECIAL = re.compile(r"<\|endoftext\|>|<sep>|<eom>|<mask_\d+>|<dummy_\d+>|" + "|".join(STARCODER))


class TokenizerError(Cg2Error):
    """A tokenizer.json that cannot be read or does not have CodeGen2's tokens."""


class CodeTokenizer:
    """Byte-level BPE tokenizer with CodeGen2's special tokens.

    Text never produces a special token: `<mask_1>` in a source file is encoded as its characters.
    """

    def __init__(self, tokenizer: Tokenizer, origin: str = "tokenizer.json") -> None:
        self._tokenizer = tokenizer
        self.origin = origin
        self.special = _special_tokens(tokenizer, origin)

    @classmethod
    def load(cls, path: Path) -> CodeTokenizer:
        """Read a tokenizer.json.

        Raises:
            TokenizerError: the file is missing or damaged, or has no CodeGen2 tokens.
        """
        if not path.exists() and not path.is_symlink():
            raise TokenizerError(f"{path} is missing; the model's folder must hold its tokenizer.")
        if problem := problem_of(path):
            raise TokenizerError(problem)
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise TokenizerError(f"{path} is not a tokenizer file ({error}).") from None
        return cls(tokenizer, str(path))

    def to_json(self) -> str:
        """Return the content of tokenizer.json."""
        return str(self._tokenizer.to_str())

    def encode(self, text: str) -> list[int]:
        """Encode plain text; names of special tokens in the text stay text."""
        if "<" not in text or not (found := list(SPECIAL.finditer(text))):
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        cuts = [0, *(match.start() + 1 for match in found), len(text)]
        parts = [text[a:b] for a, b in pairwise(cuts)]
        return [
            token for part in parts for token in self._tokenizer.encode(part, add_special_tokens=False).ids
        ]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Encode many texts, on all cores."""
        plain = [text for text in texts if not SPECIAL.search(text)]
        encoded = iter(self._tokenizer.encode_batch_fast(plain, add_special_tokens=False))
        return [self.encode(text) if SPECIAL.search(text) else list(next(encoded).ids) for text in texts]

    def decode(self, tokens: Iterable[int]) -> str:
        """Decode tokens to text, without special tokens; incomplete UTF-8 becomes U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Decode tokens to bytes; special tokens have none."""
        table = self.token_bytes
        return b"".join(table[token] for token in tokens)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """Bytes of every token by id; empty for special and unused ids.

        Raises:
            TokenizerError: a token is not written in GPT-2's alphabet of bytes.
        """
        alphabet = _byte_alphabet()
        added = self._tokenizer.get_added_tokens_decoder()
        table = [b""] * self.special.vocab_size
        for text, token in self._tokenizer.get_vocab(with_added_tokens=False).items():
            if SPECIAL.fullmatch(text):
                continue
            if not alphabet.keys() >= set(text):
                raise TokenizerError(f"{self.origin} is not byte-level ({text!r}), as CodeGen2's is.")
            table[token] = bytes(alphabet[char] for char in text)
        for token, entry in added.items():
            table[token] = b"" if SPECIAL.fullmatch(entry.content) else entry.content.encode()
        return table


def _special_tokens(tokenizer: Tokenizer, origin: str) -> SpecialTokens:
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    missing = [text for text in (END_OF_TEXT, SEP, EOM, "<mask_1>") if text not in vocabulary]
    if missing:
        raise TokenizerError(f"{origin} has no {missing[0]} token, so it is not a CodeGen2 tokenizer.")
    size = max(vocabulary.values()) + 1
    n_masks = 0
    while vocabulary.get(f"<mask_{n_masks + 1}>") == size - n_masks - 1:
        n_masks += 1
    if after := [text for text, token in vocabulary.items() if token > vocabulary["<mask_1>"]]:
        raise TokenizerError(
            f"{origin} has tokens after <mask_1>, which must be the last ({', '.join(sorted(after)[:3])});"
            " remove them, and their rows of the embedding and the head."
        )
    if not n_masks:
        raise TokenizerError(f"{origin}: <mask_1> must be the last token of the vocabulary, as in CodeGen2.")
    return SpecialTokens(
        vocab_size=size,
        end_of_text=vocabulary[END_OF_TEXT],
        sep=vocabulary[SEP],
        eom=vocabulary[EOM],
        n_masks=n_masks,
    )


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's printable character for every byte (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    direct = {chr(byte): byte for byte in printable}
    return direct | {chr(256 + position): byte for position, byte in enumerate(others)}
