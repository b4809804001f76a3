"""Find a tokenizer's special tokens by what its tokenizer.json says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.special_tokens import ORDERS, PSM, SPM, InfillLayout, SpecialTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenizers import Tokenizer

CONTROL = re.compile(r"▁?<.+>")
"""Spelling of added tokens that stand for no text, though their entry may not call them special."""

ENDS = (
    *("<|endoftext|>", "<\uff5cend▁of▁sentence\uff5c>", "<|end_of_text|>", "</s>"),
    *("<|eot_id|>", "<|im_end|>", "<eos>"),
)
"""Spellings of the token that ends a document, the first one found counts."""


class InfillError(Cg2Error):
    """A tokenizer without the tokens that an infill prompt needs, or a layout that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """Texts of the tokens that frame the parts of an infill prompt.

    Attributes:
        prefix: token before the prefix.
        suffix: token before the suffix.
        middle: token before the middle.
        order: order of the parts in the publisher's example.
    """

    prefix: str
    suffix: str
    middle: str
    order: str = PSM

    def lay_out(self, ids: Mapping[str, int], order: str) -> InfillLayout:
        """Return the layout in ids.

        Args:
            ids: the vocabulary.
            order: one of `ORDERS`.
        """
        prefix, suffix, middle = ids[self.prefix], ids[self.suffix], ids[self.middle]
        if (
            order == SPM
        ):  # as published: the suffix comes after both tokens, and no token is between prefix and middle
            return InfillLayout(order=SPM, prefix=(middle,), suffix=(prefix, suffix), middle=())
        return InfillLayout(order=PSM, prefix=(prefix,), suffix=(suffix,), middle=(middle,))


SPELLINGS = {
    "starcoder": Spelling(prefix="<fim_prefix>", suffix="<fim_suffix>", middle="<fim_middle>"),
    "qwen": Spelling(prefix="<|fim_prefix|>", suffix="<|fim_suffix|>", middle="<|fim_middle|>"),
    "codellama": Spelling(prefix="▁<PRE>", suffix="▁<SUF>", middle="▁<MID>"),
    "deepseek": Spelling(
        prefix="<\uff5cfim▁begin\uff5c>", suffix="<\uff5cfim▁hole\uff5c>", middle="<\uff5cfim▁end\uff5c>"
    ),
    "santacoder": Spelling(prefix="<fim-prefix>", suffix="<fim-suffix>", middle="<fim-middle>"),
}
"""Spellings by the model that introduced them."""

NONE = "none"
"""Stated where a model has infill tokens but was not trained with them."""


@dataclass(frozen=True)
class StatedLayout:
    """The part of a layout that the user gives; the tokenizer decides the rest.

    Attributes:
        order: one of `ORDERS`; "" for that of the spelling, "none" for continuation only.
        texts: texts of the tokens before prefix, suffix and middle; several may stand before a part, none before the
            middle. None for those of the tokenizer.
    """

    order: str = ""
    texts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None = field(default=None)

    @classmethod
    def parse(cls, text: str) -> StatedLayout:
        """Read "psm", "spm", "none" or "ORDER:PREFIX,SUFFIX,MIDDLE", with "+" between several tokens of a part.

        The tokens named are those before each part, in the given order, such as "spm:<fim_prefix>,<fim_suffix>,
        <fim_middle>" for a suffix, then a prefix, each after a token of its own.

        Raises:
            InfillError: it is none of these.
        """
        order, colon, parts = text.partition(":")
        found = [tuple(filter(None, part.split("+"))) for part in parts.split(",")] if colon else []
        is_known = order in ORDERS or (order == NONE and not colon)
        if not is_known or (colon and (len(found) != 3 or not found[1])):
            raise InfillError(
                f"{text!r} is no infill layout; give psm, spm, none, or the tokens too, as in"
                " 'spm:<fim_prefix>,<fim_suffix>,<fim_middle>'."
            )
        return cls(order, (found[0], found[1], found[2]) if colon else None)


def find_special_tokens(
    tokenizer: Tokenizer, vocab_size: int, origin: str, stated: StatedLayout | None = None
) -> SpecialTokens:
    """Return the special tokens of a tokenizer without CodeGen2's masks.

    Args:
        tokenizer: of the model.
        vocab_size: rows of the model's output; there may be more than tokens.
        origin: the tokenizer's file, for messages.
        stated: what the user states of the layout.

    Raises:
        InfillError: no token ends a document, a stated token does not exist, or there are more tokens than rows.
    """
    ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    if (largest := max(ids.values())) >= vocab_size:
        raise InfillError(
            f"{origin} has token {largest}, but the model has {vocab_size} tokens; use its own."
        )
    end = next((ids[text] for text in ENDS if text in ids), None)
    if end is None:
        raise InfillError(f"{origin} has no token that ends a document ({', '.join(ENDS[:3])}, ...).")
    with_start = tokenizer.encode("a", add_special_tokens=True).ids
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    start = next((at for at, token in enumerate(with_start) if token == plain[0]), 0)
    return SpecialTokens(
        vocab_size=vocab_size,
        end_of_text=end,
        sep=end,
        eom=end,
        n_masks=0,
        fim=_find_layout(ids, origin, stated or StatedLayout()),
        start=tuple(with_start[:start]),
        stops=frozenset(find_control_tokens(tokenizer)),
    )


def find_control_tokens(tokenizer: Tokenizer) -> dict[int, str]:
    """Return the added tokens that stand for no text, with their texts."""
    added = tokenizer.get_added_tokens_decoder().items()
    return {
        token: entry.content for token, entry in added if entry.special or CONTROL.fullmatch(entry.content)
    }


def _find_layout(ids: Mapping[str, int], origin: str, stated: StatedLayout) -> InfillLayout | None:
    if stated.order == NONE:
        return None
    if stated.texts is not None:
        if absent := next((text for part in stated.texts for text in part if text not in ids), None):
            raise InfillError(f"{origin} has no token {absent!r}; name tokens of this vocabulary.")
        prefix, suffix, middle = (tuple(ids[text] for text in part) for part in stated.texts)
        return InfillLayout(order=stated.order, prefix=prefix, suffix=suffix, middle=middle)
    for spelling in SPELLINGS.values():
        if all(text in ids for text in (spelling.prefix, spelling.suffix, spelling.middle)):
            return spelling.lay_out(ids, stated.order or spelling.order)
    if stated.order:
        raise InfillError(
            f"{origin} has no infill tokens that are known here; name them, as in"
            f" --infill '{stated.order}:<PREFIX>,<SUFFIX>,<MIDDLE>'."
        )
    return None
