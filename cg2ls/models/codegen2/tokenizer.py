"""Tokenizer of a model: text to tokens, and tokens to bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.files import problem_of
from cg2ls.models.codegen2.infill_tokens import find_control_tokens
from cg2ls.models.codegen2.special_tokens import END_OF_TEXT, EOM, SEP, STARCODER, SpecialTokens

SPECIAL = re.compile(r"<\|endoftext\|>|<sep>|<eom>|<mask_\d+>|<dummy_\d+>|" + "|".join(STARCODER))


class TokenizerError(Cg2Error):
    """A tokenizer.json that cannot be read or does not have the tokens it should."""


class CodeTokenizer:
    """BPE tokenizer whose tokens are bytes of text, or special.

    Text never produces a special token: `<mask_1>` in a source file is encoded as its characters.

    Args:
        tokenizer: the library's tokenizer.
        origin: its file, for messages.
        special: its special tokens; None for CodeGen2's, which are then looked up.

    Attributes:
        special: ids of the special tokens.

    Raises:
        TokenizerError: the special tokens are missing.
    """

    def __init__(
        self, tokenizer: Tokenizer, origin: str = "tokenizer.json", special: SpecialTokens | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self.origin = origin
        self.special = special or _special_tokens(tokenizer, origin)
        self._pattern, self._first_chars = SPECIAL, "<"
        if special is not None and not special.n_masks:
            _check_tokens(tokenizer, origin, special)
            texts = sorted(find_control_tokens(tokenizer).values(), key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, texts)) or r"(?!)")
            self._first_chars = "".join(sorted({text[0] for text in texts if text}))

    @classmethod
    def load(cls, path: Path, special: SpecialTokens | None = None) -> CodeTokenizer:
        """Read a tokenizer.json.

        Args:
            path: the file.
            special: special tokens of a vocabulary without masks; None for CodeGen2's.

        Raises:
            TokenizerError: the file is missing or damaged, or does not have these tokens.
        """
        if not path.exists() and not path.is_symlink():
            raise TokenizerError(f"{path} is missing; the model's folder must hold its tokenizer.")
        if problem := problem_of(path):
            raise TokenizerError(problem)
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise TokenizerError(f"{path} is not a tokenizer file ({error}).") from None
        return cls(tokenizer, str(path), special if special is not None and not special.n_masks else None)

    def to_json(self) -> str:
        """Return the content of tokenizer.json."""
        return str(self._tokenizer.to_str())

    def encode(self, text: str) -> list[int]:
        """Encode plain text; names of special tokens in the text stay text."""
        if not (self._may_name_special(text) and (found := list(self._pattern.finditer(text)))):
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        cuts = [0, *(match.start() + 1 for match in found), len(text)]
        parts = [text[a:b] for a, b in pairwise(cuts)]
        return [
            token for part in parts for token in self._tokenizer.encode(part, add_special_tokens=False).ids
        ]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Encode many texts, on all cores."""
        plain = [text for text in texts if not self._pattern.search(text)]
        encoded = iter(self._tokenizer.encode_batch_fast(plain, add_special_tokens=False))
        return [
            self.encode(text) if self._pattern.search(text) else list(next(encoded).ids) for text in texts
        ]

    def _may_name_special(self, text: str) -> bool:
        return "<" in text or (self._first_chars != "<" and any(char in text for char in self._first_chars))

    def split_pieces(self, text: str) -> list[int] | None:
        """Return where the pieces end that a text is split into before they become tokens; None if it is not split.

        No token crosses such a place. Vocabularies with CodeGen2's masks are not asked: their blanks are added tokens,
        which are found before the text is split.
        """
        splitter = self._tokenizer.pre_tokenizer
        if self.special.n_masks or splitter is None:
            return None
        return [end for _, (_, end) in splitter.pre_tokenize_str(text)]

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
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=False)
        has_byte_tokens = "<0x0A>" in vocabulary
        for text, token in vocabulary.items():
            if self._pattern.fullmatch(text):
                continue
            if has_byte_tokens:
                table[token] = _sentencepiece_bytes(text)
                continue
            if not alphabet.keys() >= set(text):
                raise TokenizerError(f"{self.origin} is not byte-level ({text!r}), as CodeGen2's is.")
            table[token] = bytes(alphabet[char] for char in text)
        for token, entry in added.items():
            table[token] = b"" if self._pattern.fullmatch(entry.content) else entry.content.encode()
        return table


def _sentencepiece_bytes(text: str) -> bytes:
    """Return the bytes of a token of SentencePiece's spelling (Kudo and Richardson 2018, arXiv 1808.06226)."""
    byte = re.fullmatch("<0x([0-9A-F]{2})>", text)
    return bytes.fromhex(byte[1]) if byte else text.replace("▁", " ").encode()


def _check_tokens(tokenizer: Tokenizer, origin: str, special: SpecialTokens) -> None:
    """Check that special tokens from model.json are tokens of this tokenizer.

    Raises:
        TokenizerError: one of them is not.
    """
    framing = () if special.fim is None else (*special.fim.prefix, *special.fim.suffix, *special.fim.middle)
    for token in (special.end_of_text, *special.start, *framing, *special.stops):
        if tokenizer.id_to_token(token) is None:
            raise TokenizerError(f"{origin} has no token {token}, which model.json names as a special token.")


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
