"""The key "tokens" of model.json: ids of the special tokens, and the layout of infill prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cg2ls.models.codegen2.special_tokens import ORDERS, InfillLayout, SpecialTokens

if TYPE_CHECKING:
    from cg2ls.models.folder.fields import Fields


def tokens_to_dict(tokens: SpecialTokens) -> dict[str, Any]:
    """Return the JSON object; CodeGen2's tokens need no layout."""
    if tokens.n_masks:
        named = {"end_of_text": tokens.end_of_text, "sep": tokens.sep, "eom": tokens.eom}
        return named | {"masks": tokens.n_masks}
    frame: dict[str, Any] | None = None
    if tokens.fim is not None:
        parts = {"prefix": tokens.fim.prefix, "suffix": tokens.fim.suffix, "middle": tokens.fim.middle}
        frame = {"order": tokens.fim.order, **{name: list(ids) for name, ids in parts.items()}}
    listed = {"start": list(tokens.start), "stops": sorted(tokens.stops)}
    return {"end_of_text": tokens.end_of_text, **listed, "layout": frame}


def read_tokens(raw: Fields, vocab_size: int) -> SpecialTokens:
    """Read the object; without "masks" it is that of another vocabulary than CodeGen2's."""

    def identifier(name: str) -> int:
        return raw.integer(name, at_least=0, below=vocab_size)

    if "masks" not in raw:
        return _tokens_without_masks(raw, vocab_size, identifier("end_of_text"))
    return SpecialTokens(
        vocab_size=vocab_size,
        end_of_text=identifier("end_of_text"),
        sep=identifier("sep"),
        eom=identifier("eom"),
        n_masks=raw.integer("masks", at_least=1, below=vocab_size),
    )


def _tokens_without_masks(raw: Fields, vocab_size: int, end: int) -> SpecialTokens:
    layout: InfillLayout | None = None
    if raw.has_value("layout"):
        frame = raw.object("layout")
        parts = {
            name: frame.integers(name, at_least=0, below=vocab_size)
            for name in ("prefix", "suffix", "middle")
        }
        layout = InfillLayout(order=frame.text("order", among=ORDERS), **parts)
    return SpecialTokens(
        vocab_size=vocab_size,
        end_of_text=end,
        sep=end,
        eom=end,
        n_masks=0,
        fim=layout,
        start=raw.integers("start", at_least=0, below=vocab_size),
        stops=frozenset(raw.integers("stops", at_least=0, below=vocab_size)),
    )
