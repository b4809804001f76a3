"""One document's completions, from the first key to the last; no LSP, no threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.confidence_gate import LEAST_CONFIDENCE, LEAST_WITH_PRIOR, Gate
from cg2ls.completion.faults import Faults
from cg2ls.completion.generate import Other, generate, others
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.postprocess import RuleContext
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.completion.prompt.anchor import Anchor, place
from cg2ls.completion.prompt.budget import HEALING, Budget
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.prompt.layout import layout
from cg2ls.completion.results import alternative, first_shown, reason_of, rest_of_suggestion, suppressed
from cg2ls.completion.reuse.speculation import accepted_states
from cg2ls.completion.reuse.typed_through import Suggestion, TypedThrough
from cg2ls.completion.switches import CONFIDENCE, TYPED_THROUGH
from cg2ls.completion.syntax import grammar_of
from cg2ls.completion.syntax.kind import kind_at
from cg2ls.completion.trigger.extent import Extent, extent
from cg2ls.completion.trigger.suppression import Asked, suppression
from cg2ls.completion.types import Completion, CompletionEngine, Reason, Trigger
from cg2ls.engine.prior import GuardedPrior, Prior
from cg2ls.engine.request import Request, never

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2ls.completion.faults import Fault
    from cg2ls.completion.reuse.typed_through import Rest
    from cg2ls.completion.syntax import Grammar
    from cg2ls.completion.trigger.suppression import Suppression

DEFAULTS = CompletionOptions()

MIN_LEFT_MS = 1.0
"""An engine takes no limit of 0."""

PriorOf = Callable[[str, int], Prior | None]
"""What else is known about the answer at a place of a text."""

ContextOf = Callable[[str, int, int], str]
"""What other files say about a place of a text, in so many tokens."""


class DocumentSession:
    r"""What completing one document keeps from one call to the next.

    Calls must not overlap, but for `known`. A document whose language, options or model change needs a new session.

    Args:
        engine: the open model.
        language: LSP id of the document's language, "" if unknown.
        options: what the user set.
        prior_of: gives what else is known about an answer, by the document's text and where in it the answer
            begins, line ends `\n`; None for a model that is alone.
        context_of: gives what stands in front of the document's own text in a prompt, by the same and by the
            tokens there are for it; asked only if the options have any.
    """

    def __init__(
        self,
        engine: CompletionEngine,
        language: str = "",
        options: CompletionOptions = DEFAULTS,
        prior_of: PriorOf | None = None,
        context_of: ContextOf | None = None,
    ) -> None:
        self.engine = engine
        self.prior_of = prior_of
        self.context_of = context_of
        self.language = language
        self.options = options
        self._anchor: Anchor | None = None
        self._typed_through = TypedThrough()
        self._grammar_faults = Faults()

    def complete(
        self,
        text: str,
        offset: int,
        mode: Trigger = "automatic",
        stop: Callable[[], bool] = never,
        *,
        count: int = 1,
    ) -> Completion:
        """Completes the document at a cursor.

        Generating ends as soon as nothing more could be shown. What only adds to an answer is left out where it
        fails (prior, context, earlier suggestions, further candidates, a grammar that cannot be loaded), and stands
        in the answer's `faults`. Where a parser, a rule or the tokenizer fails there is no answer: they decide what
        may be shown.

        Args:
            text: the whole document, with any line ends.
            offset: of the cursor, in code points, 0 to `len(text)`.
            mode: whether the editor asked or the user did.
            stop: whether the request was cancelled, asked before every run of the model.
            count: how many completions to choose from are wanted; there may be fewer.

        Raises:
            ValueError: the offset is outside of the text.
            RequestError: the engine cannot serve this request.
            EngineFailedError: it failed.
            Exception: what a grammar, a rule or the tokenizer raised.
        """
        if not 0 <= offset <= len(text):
            raise ValueError(f"offset {offset} is outside of a text of {len(text)} characters")
        began = perf_counter()
        cursor, faults = Cursor.at(text, offset), Faults()
        found = self._known(cursor, offset, mode, began, faults, count)
        found = found or self._run(cursor, offset, mode, stop, began, faults, count)
        faults.found += self._grammar_faults.take()
        return replace(found, faults=tuple(faults.found)) if faults.found else found

    def known(self, text: str, offset: int, mode: Trigger = "automatic") -> Completion | None:
        """What `complete` would give without running the model; None if it would run."""
        return self._known(Cursor.at(text, offset), offset, mode, perf_counter(), Faults())

    def speculate(
        self, text: str, offset: int, shown: Completion, stop: Callable[[], bool] = never
    ) -> Sequence[Fault]:
        """Works out what comes after a completion, as if it had been accepted, so that it is known then.

        If that is nothing, what comes after Enter is worked out too.

        Args:
            text: the document that the completion was made for.
            offset: of the cursor in it.
            shown: the completion.
            stop: whether anybody wants something; asked before every run of the model.

        Returns:
            What failed and was left out.

        Raises:
            Exception: as `complete`.
        """
        cursor, anchor, faults = Cursor.at(text, offset), self._anchor, Faults()
        replace_length = shown.replace_end_offset - offset
        try:
            for accepted in accepted_states(cursor, shown.text, replace_length, self.language):
                if stop() or self.suppression(accepted, "automatic"):
                    break
                if self._run(accepted, accepted.offset, "automatic", stop, perf_counter(), faults).text:
                    break
        finally:
            self._anchor = anchor
        return faults.found

    def _known(
        self, cursor: Cursor, offset: int, mode: Trigger, began: float, faults: Faults, count: int = 1
    ) -> Completion | None:
        if rests := faults.without(TYPED_THROUGH, lambda: self._rests(cursor, mode, count), None):
            return first_shown([rest_of_suggestion(offset, rest, began) for rest in rests])
        if reason := self.suppression(cursor, mode):
            return suppressed(offset, reason, began)
        return None

    def _rests(self, cursor: Cursor, mode: Trigger, count: int) -> list[Rest] | None:
        """What is left of earlier suggestions, at most so many."""
        if TYPED_THROUGH in self.options.disabled_rules:
            return None
        if count > 1:
            return self._typed_through.find_all(cursor, mode)[:count]
        rest = self._typed_through.find(cursor, mode)
        return [rest] if rest else []

    def suppression(self, cursor: Cursor, mode: Trigger) -> Suppression | None:
        """Why nothing is looked for at this cursor; None if something is."""
        known = self.engine.model.languages
        return suppression(
            Asked(
                cursor=cursor,
                language=self.language,
                known=known,
                trigger=mode,
                options=self.options,
                kind=lambda: kind_at(cursor, self._grammar),
            )
        )

    def _run(
        self,
        cursor: Cursor,
        offset: int,
        mode: Trigger,
        stop: Callable[[], bool],
        began: float,
        faults: Faults,
        count: int = 1,
    ) -> Completion:
        reach = self._extent(cursor)
        context = RuleContext(
            cursor=cursor,
            extent=reach,
            trigger=mode,
            language=self.language,
            max_lines=self.options.max_lines,
            grammar=self._grammar,
        )
        postprocessor = Postprocessor(context=context, disabled=self.options.disabled_rules)
        request = self._request(cursor, reach, faults)
        gate = Gate(request.forced, self._least_confidence(mode, request))
        request = replace(request, total_ms=self._left_ms(began))
        answer = generate(self.engine, request, postprocessor, gate, stop)
        request = replace(request, total_ms=self._left_ms(began))
        if gate.sure:
            processed = postprocessor.shape(answer.text, ended=answer.ended, by_model=answer.by_model)
        else:
            processed = postprocessor.shape(answer.sure_lines(gate.sure_bytes), ended=True)
        more: list[Other] = []
        if count > 1 and not stop():
            sample = partial(others, self.engine, request, postprocessor, processed.text, count - 1, stop)
            more = faults.without("candidates", sample, [])
        if isinstance(request.prior, GuardedPrior):
            faults.note("prior", request.prior.failure)
        reason: Reason = "stopped" if stop() else reason_of(processed, gate)
        shown = processed.text if reason == "shown" else ""
        first = Completion(
            text=shown,
            replace_end_offset=offset + processed.replace_length if shown else offset,
            logprob=answer.logprob_of(shown),
            tokens=len(answer.steps),
            latency_ms=(perf_counter() - began) * 1000,
            reason=reason,
            confidence=gate.confidence,
            rules=processed.rules if gate.sure else (*processed.rules, CONFIDENCE),
        )
        if reason == "stopped":
            return first
        found = [first, *(alternative(other, first, offset) for other in more)]
        faults.without(TYPED_THROUGH, lambda: self._remember(found, cursor, offset, mode), None)
        return first_shown(found)

    def _remember(self, found: Sequence[Completion], cursor: Cursor, offset: int, mode: Trigger) -> None:
        """Keeps what was found for whoever goes on typing it."""
        for each in reversed(found):
            replace_length = each.replace_end_offset - offset
            self._typed_through.add(Suggestion.made(cursor, each.text, replace_length, mode, each.logprob))

    def _left_ms(self, began: float) -> float | None:
        """What is left of the time for an answer; the engine's first call is always in time."""
        most = self.options.max_ms
        return None if most is None else max(MIN_LEFT_MS, most - (perf_counter() - began) * 1000)

    def _least_confidence(self, mode: Trigger, request: Request) -> float:
        if mode == "invoked" or CONFIDENCE in self.options.disabled_rules:
            return 0.0
        if self.options.min_confidence is not None:
            return self.options.min_confidence
        return LEAST_CONFIDENCE if request.prior is None else LEAST_WITH_PRIOR

    @cached_property
    def _grammar(self) -> Grammar | None:
        """The parser for the language; one that cannot be loaded is as one that there is not."""
        return self._grammar_faults.without("grammar", lambda: grammar_of(self.language), None)

    def _extent(self, cursor: Cursor) -> Extent:
        if self.options.max_lines == 1 and cursor.line_before.strip():
            return "line"
        return extent(cursor, self.language, lambda: kind_at(cursor, self._grammar))

    def _request(self, cursor: Cursor, reach: Extent, faults: Faults) -> Request:
        engine, options = self.engine, self.options
        model = engine.model
        budget = Budget.of(
            engine.context_length,
            answer_tokens=max(options.line_tokens, options.block_tokens),
            anchor_max_tokens=model.infill.anchor_max_tokens,
            context_tokens=options.context_tokens if self.context_of else 0,
        )
        placed = place(
            cursor,
            self._anchor,
            budget,
            engine.tokenizer.encode,
            model.document_header,
            lambda: faults.without("context", lambda: self._context(cursor, budget), ""),
        )
        self._anchor = placed.anchor
        wanted = options.line_tokens if reach == "line" else options.block_tokens
        guess = faults.without(TYPED_THROUGH, lambda: self._typed_through.guess(cursor), "")
        return Request(
            prompt=layout(placed, engine.tokenizer.special, model.infill),
            forced=placed.forced.encode("utf-8"),
            guess=engine.tokenizer.encode(placed.forced + guess) if guess else (),
            prior=faults.without("prior", lambda: self._prior(cursor, placed.forced), None),
            max_tokens=min(wanted + (HEALING if placed.forced else 0), budget.answer),
        )

    def _context(self, cursor: Cursor, budget: Budget) -> str:
        """What stands in front of the document's own text."""
        return self.context_of(cursor.text, cursor.offset, budget.front) if self.context_of else ""

    def _prior(self, cursor: Cursor, forced: str) -> Prior | None:
        """What else is known about the answer, guarded so that it cannot fail inside the engine."""
        prior = self.prior_of(cursor.text, cursor.offset - len(forced)) if self.prior_of else None
        return None if prior is None else GuardedPrior(prior, self.engine.tokenizer.special.vocab_size)
