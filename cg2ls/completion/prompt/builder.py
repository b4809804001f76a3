"""Build the engine's request for a cursor: window, anchor, healing, and what is known from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.prompt.anchor import TextEncoding, find_healer, place_anchor
from cg2ls.completion.prompt.cursor import HEALING_TOKENS, Budget
from cg2ls.engine.request import GuardedPrior, Request

if TYPE_CHECKING:
    from cg2ls.completion.faults import Faults
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.prompt.anchor import Anchor, PlacedAnchor
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.trigger import Extent
    from cg2ls.completion.types import CompletionEngine, Retrieval
    from cg2ls.models.codegen2.special_tokens import SpecialTokens
    from cg2ls.models.folder.description import Infill


class PromptBuilder:
    """Builder of the requests of one document; it keeps the anchor from one request to the next.

    Args:
        engine: the open model.
        options: what the user set.

    Attributes:
        anchor: the last anchor; None before the first request.
        text_above: tokens of the text above in the last request, up to its forced bytes.
    """

    def __init__(self, engine: CompletionEngine, options: CompletionOptions) -> None:
        self.anchor: Anchor | None = None
        self.text_above: tuple[int, ...] = ()
        self._engine = engine
        self._options = options
        self._encoding = TextEncoding(
            engine.tokenizer.encode, engine.model.document_header, find_healer(engine.tokenizer)
        )

    def build(
        self, cursor: Cursor, extent: Extent, draft_hint: str, retrieval: Retrieval, faults: Faults
    ) -> Request:
        """Return the request for a cursor.

        Args:
            cursor: place to complete at.
            extent: whether the answer may have several lines.
            draft_hint: text that probably follows the cursor; "" if unknown.
            retrieval: sources of information from other files.
            faults: receives the faults of these sources.
        """
        engine, options = self._engine, self._options
        model, context_of = engine.model, retrieval.context_of
        budget = Budget.share(
            engine.context_length,
            answer_tokens=max(options.line_tokens, options.block_tokens),
            anchor_max_tokens=model.infill.anchor_max_tokens,
            context_tokens=options.context_tokens if context_of else 0,
        )

        def find_context() -> str:
            return context_of(cursor.text, cursor.offset, budget.context) if context_of else ""

        placed = place_anchor(
            cursor,
            self.anchor,
            budget,
            self._encoding,
            lambda: faults.guard("context", find_context, ""),
        )
        self.anchor = placed.anchor
        self.text_above = (*placed.anchor.prefix_tokens, *placed.known_tokens)
        start = cursor.offset - len(placed.forced)
        max_tokens = options.line_tokens if extent == "line" else options.block_tokens
        prompt = lay_out_prompt(placed, engine.tokenizer.special, model.infill)
        return Request(
            prompt=prompt,
            stable=len(prompt) - len(placed.known_tokens),
            forced=placed.forced.encode("utf-8"),
            draft_hint=engine.tokenizer.encode(placed.forced + draft_hint) if draft_hint else (),
            prior=faults.guard("prior", lambda: self._find_prior(cursor.text, start, retrieval), None),
            max_tokens=min(max_tokens + (HEALING_TOKENS if placed.forced else 0), budget.answer),
        )

    def _find_prior(self, text: str, start: int, retrieval: Retrieval) -> GuardedPrior | None:
        """Return the prior for an answer that begins at `start`, guarded so that it cannot fail in the engine."""
        prior = retrieval.prior_of(text, start) if retrieval.prior_of else None
        return None if prior is None else GuardedPrior(prior, self._engine.tokenizer.special.vocab_size)


def lay_out_prompt(placed: PlacedAnchor, special: SpecialTokens, infill: Infill) -> list[int]:
    """Return the token ids of the prompt.

    A model trained to fill in gets the infill prompt even if nothing follows the cursor, because it then ends its
    answers with a token of their own. A model that only continues text gets the text up to the cursor.

    Args:
        placed: the anchor, the window and the known text.
        special: ids of the model's special tokens, with the layout.
        infill: how the model was trained to fill in.
    """
    anchor = placed.anchor
    return special.lay_out(
        anchor.prefix_tokens, anchor.suffix_tokens, placed.known_tokens, fills_in=infill.fills_in
    )
