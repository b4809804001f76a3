"""Completions of one document: trigger, prompt, generate, postprocess, reuse. Free of LSP and of threads."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion.choose import HYPOTHESES, choose_if_unsure, decide, list_other_lines
from cg2ls.completion.confidence_gate import CONFIDENCE, ConfidenceGate, Thresholds
from cg2ls.completion.faults import Faults, read_engine
from cg2ls.completion.fitted_gate import describe_decision, judge_decision
from cg2ls.completion.generate import generate, sample_alternatives
from cg2ls.completion.options import CompletionOptions
from cg2ls.completion.postprocess.pipeline import BOUNDS, FINISH, Postprocessor
from cg2ls.completion.postprocess.rule import RuleContext, resolve_rule_names
from cg2ls.completion.prompt.builder import PromptBuilder
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.results import (
    Call,
    complete_alternative,
    complete_generated,
    complete_remaining,
    complete_suppressed,
    join_alternatives,
    watch_lines,
)
from cg2ls.completion.reuse import TYPED_THROUGH, Suggestion, TypedThrough, predict_cursors
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.completion.syntax.region import find_kind
from cg2ls.completion.trigger import SUPPRESSIONS, TriggerContext, choose_extent, find_suppression
from cg2ls.completion.types import NO_RETRIEVAL, Retrieval
from cg2ls.engine.request import GuardedPrior, never

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cg2ls.completion.choose import Decision
    from cg2ls.completion.generate import Alternative
    from cg2ls.completion.results import Completion
    from cg2ls.completion.reuse import RemainingSuggestion
    from cg2ls.completion.syntax.grammar import Grammar
    from cg2ls.completion.trigger import Extent, Suppression
    from cg2ls.completion.types import CompletionEngine, Fault, Trigger
    from cg2ls.engine.request import Request
    from cg2ls.models.folder.gate import GateWeights

DEFAULTS = CompletionOptions()

DISABLEABLE_RULES = frozenset(
    {
        *(suppression.name for suppression in SUPPRESSIONS),
        *(rule.name for rule in (*BOUNDS, *FINISH)),
        CONFIDENCE,
        HYPOTHESES,
        TYPED_THROUGH,
    }
)
"""Names that `CompletionOptions.disabled_rules` may contain; former names of rules are accepted too."""


def resolve_disabled_rules(names: Iterable[str]) -> frozenset[str]:
    """Return the current names of what `CompletionOptions.disabled_rules` leaves out.

    Raises:
        OptionsError: a name is unknown.
    """
    return resolve_rule_names(names, DISABLEABLE_RULES)


class DocumentSession:
    """State of one document that is kept from one call to the next.

    Calls must not overlap, except for `find_known`. Another language, model or options need a new session.

    Args:
        engine: the open model.
        language: LSP id of the document's language, "" if unknown.
        options: what the user set.
        describes: whether completions have features even if no fitted gate needs them.
        own_gate: a gate fitted on the user's own acceptances, which may only withhold; None for none.

    Raises:
        OptionsError: `disabled_rules` contains an unknown name.
    """

    def __init__(
        self,
        engine: CompletionEngine,
        language: str = "",
        options: CompletionOptions = DEFAULTS,
        *,
        describes: bool = False,
        own_gate: GateWeights | None = None,
    ) -> None:
        self.engine = engine
        self.language = language
        self.options = options
        self.describes, self.own_gate = describes, own_gate
        self._disabled_rules = resolve_disabled_rules(options.disabled_rules)
        self._thresholds = Thresholds(engine, options, self._disabled_rules, own_gate)
        self._prompts = PromptBuilder(engine, options)
        self._typed_through = TypedThrough()
        self._grammar_faults = Faults()

    def complete(
        self,
        text: str,
        offset: int,
        trigger: Trigger = "automatic",
        stop: Callable[[], bool] = never,
        *,
        count: int = 1,
        retrieval: Retrieval = NO_RETRIEVAL,
        on_lines: Callable[[str], object] | None = None,
    ) -> Completion:
        """Complete the document at a cursor.

        Generation ends as soon as nothing more could be shown. Optional parts that fail are left out and listed in
        the result's `faults`: prior, context, earlier suggestions, alternatives, and a grammar that cannot be
        loaded. Parsers, rules and the tokenizer decide what may be shown, so if one of them fails there is no
        answer.

        Args:
            text: the whole document, with any line ends.
            offset: of the cursor, in code points, 0 to `len(text)`.
            trigger: who asked.
            stop: returns whether the request was cancelled; called before every run of the model.
            count: number of completions to choose from; there may be fewer.
            retrieval: sources of information from other files.
            on_lines: called during generation with all lines that are final (`FinalLines`).

        Raises:
            ValueError: the offset is outside of the text.
            RequestError: the engine cannot serve this request.
            EngineFailedError: the engine failed.
            Exception: a grammar, a rule or the tokenizer raised it.
        """
        if not 0 <= offset <= len(text):
            raise ValueError(f"offset {offset} is outside of a text of {len(text)} characters")
        began = perf_counter()
        call = Call(
            Cursor.at(text, offset), offset, trigger, stop, count, retrieval, began, on_lines=on_lines
        )
        completion = self._complete_without_model(call) or self._complete_with_model(call)
        faults = (*call.faults.found, *self._grammar_faults.take())
        return replace(completion, faults=faults) if faults else completion

    def _complete_without_model(self, call: Call) -> Completion | None:
        """Return the rest of an earlier suggestion, or the reason to show nothing; None if the model must run."""
        remaining = call.faults.guard(TYPED_THROUGH, lambda: self._find_remaining(call), None)
        if remaining:
            return join_alternatives([complete_remaining(call, each) for each in remaining])
        suppression = self.find_suppression(call.cursor, call.trigger)
        return complete_suppressed(call, suppression) if suppression else None

    def _complete_with_model(self, call: Call, *, is_ahead: bool = False) -> Completion:
        """Run the model for a call, and return and remember what may be shown."""
        # 1. Trigger: the text may be one line or a block.
        extent = self._choose_extent(call.cursor)
        postprocessor = self._make_postprocessor(call, extent)

        # 2. Prompt: the window around the cursor, an anchor in it, and what is known from elsewhere.
        hint = call.faults.guard(TYPED_THROUGH, lambda: self._typed_through.find_draft_hint(call.cursor), "")
        request = self._prompts.build(call.cursor, extent, hint, call.retrieval, call.faults)

        # 3. Generate: until the rules or the confidence gate have seen enough.
        gate = ConfidenceGate(request.forced, self._thresholds.of_answer(call.trigger, request))
        limit = partial(call.limit_time, request)
        watch = watch_lines(call, self._thresholds, postprocessor, gate)
        answer = generate(self.engine, limit(self.options.max_ms), postprocessor, gate, call.stop, watch)

        # 4. Postprocess: the rules decide what is shown.
        text, ended = (
            (answer.text, answer.ended) if gate.is_sure else (answer.sure_lines(gate.sure_bytes), True)
        )
        by_model = gate.is_sure and answer.ended_by_model
        processed = postprocessor.process(text, ended=ended, ended_by_model=by_model)
        chosen = call.faults.guard(
            HYPOTHESES,
            lambda: choose_if_unsure(
                self.engine, self.options, limit, call.stop, self._prompts, postprocessor, gate, answer
            ),
            None,
        )
        minimum = self._thresholds.of_chosen(call.trigger)
        decision = decide(answer, processed, gate, chosen, forced=request.forced, min_confidence=minimum)
        alternatives = self._find_alternatives(call, request, postprocessor, decision)
        gates, features = self._thresholds.list_gates(call.trigger), None
        if gates or self.describes:
            features = describe_decision(decision, call.cursor, extent, call.trigger, request)
            decision = judge_decision(gates, self.options.eagerness, decision, features)
        if isinstance(request.prior, GuardedPrior):
            call.faults.note("prior", request.prior.failure)
        first = complete_generated(call, decision, features)
        if first.reason == "stopped":
            return first

        # 5. Reuse: the next keys may continue what is shown.
        found = [first, *(complete_alternative(call, each, first) for each in alternatives)]
        call.faults.guard(TYPED_THROUGH, lambda: self._remember(found, call, is_ahead=is_ahead), None)
        return join_alternatives(found)

    def find_known(self, text: str, offset: int, trigger: Trigger = "automatic") -> Completion | None:
        """Return what `complete` would return without running the model; None if the model would run."""
        return self._complete_without_model(Call(Cursor.at(text, offset), offset, trigger))

    def read_ahead(
        self, text: str, offset: int, stop: Callable[[], bool] = never, retrieval: Retrieval = NO_RETRIEVAL
    ) -> int:
        """Read the prompt of an automatic call, so that a call at or near the cursor only has to generate.

        Reading the window takes most of the time of an answer at a new place, and the engine's cache keeps it.

        Args:
            text: the whole document, with any line ends.
            offset: of the cursor, in code points.
            stop: returns whether to stop; called before every run of the model.
            retrieval: sources of information from other files; the prior is not asked.

        Returns:
            The number of tokens read; 0 if all were read before or nothing would be generated there.

        Raises:
            Exception: as `complete`.
        """
        if stop():
            return 0
        call = Call(Cursor.at(text, offset), offset, retrieval=Retrieval(context_of=retrieval.context_of))
        if self._complete_without_model(call) is not None:
            return 0
        extent = self._choose_extent(call.cursor)
        request = self._prompts.build(call.cursor, extent, "", call.retrieval, call.faults)
        return 0 if stop() else read_engine(self.engine, request, stop)

    def speculate(
        self,
        text: str,
        offset: int,
        shown: Completion,
        stop: Callable[[], bool] = never,
        *,
        count: int = 1,
        retrieval: Retrieval = NO_RETRIEVAL,
    ) -> Sequence[Fault]:
        """Prepare the completion after `shown`, as if it had been accepted, so that it is known by then.

        If that completion is empty, prepare the one after Enter too. Then prepare the completions to choose from.

        Args:
            text: the document that `shown` was made for.
            offset: of the cursor in it.
            shown: the completion that is displayed.
            stop: returns whether there is a request; called before every run of the model.
            count: number of completions to choose from that the user would ask for by hand.
            retrieval: sources of information from other files.

        Returns:
            Optional parts that failed and were left out.

        Raises:
            Exception: as `complete`.
        """
        cursor, anchor, faults = Cursor.at(text, offset), self._prompts.anchor, Faults()
        replace_length = shown.replace_end_offset - offset
        try:
            for accepted in predict_cursors(cursor, shown.text, replace_length, self.language):
                if stop() or self.find_suppression(accepted, "automatic"):
                    break
                call = Call(accepted, accepted.offset, stop=stop, retrieval=retrieval, faults=faults)
                if self._complete_with_model(call).text:
                    break
            self._prompts.anchor = anchor
            if count > 1 and not stop() and not self.find_suppression(cursor, "invoked"):
                call = Call(cursor, offset, "invoked", stop, count, retrieval, faults=faults)
                self._complete_with_model(call, is_ahead=True)
        finally:
            self._prompts.anchor = anchor
        return faults.found

    def find_suppression(self, cursor: Cursor, trigger: Trigger) -> Suppression | None:
        """Return the reason to show nothing at a cursor; None if there is none."""
        return find_suppression(
            TriggerContext(
                cursor=cursor,
                language=self.language,
                known_languages=self.engine.model.languages,
                trigger=trigger,
                options=self.options,
                kind_of=lambda: find_kind(cursor, self._grammar),
            )
        )

    def _choose_extent(self, cursor: Cursor) -> Extent:
        if self.options.max_lines == 1 and cursor.line_before.strip():
            return "line"
        return choose_extent(cursor, self.language, lambda: find_kind(cursor, self._grammar))

    @cached_property
    def _grammar(self) -> Grammar | None:
        """Parser for the language; None if there is none or it cannot be loaded."""
        return self._grammar_faults.guard("grammar", lambda: load_grammar(self.language), None)

    def _make_postprocessor(self, call: Call, extent: Extent) -> Postprocessor:
        context = RuleContext(
            cursor=call.cursor,
            extent=extent,
            trigger=call.trigger,
            language=self.language,
            max_lines=self.options.max_lines,
            grammar=self._grammar,
        )
        return Postprocessor(context=context, disabled=self._disabled_rules)

    def _find_alternatives(
        self, call: Call, request: Request, postprocessor: Postprocessor, decision: Decision
    ) -> list[Alternative]:
        """Return other answers to choose from: the other hypotheses, or sampled ones where there are none."""
        if call.count < 2 or call.stop():
            return []
        if others := list_other_lines(decision, call.count - 1):
            return others
        sample = partial(
            sample_alternatives,
            self.engine,
            call.limit_time(request, self.options.max_ms),
            postprocessor,
            decision.processed.text,
            call.count - 1,
            call.stop,
        )
        return call.faults.guard("candidates", sample, [])

    def _find_remaining(self, call: Call) -> list[RemainingSuggestion] | None:
        """Return what remains of earlier suggestions, at most as many as are requested."""
        if TYPED_THROUGH in self._disabled_rules:
            return None
        return self._typed_through.find(call.cursor, call.trigger, call.count)

    def _remember(self, found: Sequence[Completion], call: Call, *, is_ahead: bool) -> None:
        """Keep completions, so that the user can type along with them or request those that were prepared ahead."""
        for completion in reversed(found):
            replace_length = completion.replace_end_offset - call.offset
            suggestion = Suggestion.at(
                call.cursor, completion.text, replace_length, call.trigger, completion.logprob
            )
            self._typed_through.add(replace(suggestion, is_ahead=is_ahead))
