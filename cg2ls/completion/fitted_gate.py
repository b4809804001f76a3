"""The gate of a model that has a fitted one: features of an answer, the gate's inputs, and whether it may be shown.

The running gate (`confidence_gate`) still ends answers that are nearly always wrong, which saves time. What remains is
judged once, with everything that is known by then. Features are computed only for such a gate, and for who collects
them to fit one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cg2ls.completion.confidence_gate import CONFIDENCE, drop_typed_steps
from cg2ls.completion.prompt.cursor import PlaceKind, find_place_kind
from cg2ls.engine.request import GuardedPrior

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cg2ls.completion.choose import Decision
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.trigger import Extent
    from cg2ls.completion.types import Trigger
    from cg2ls.engine.request import Request, Step, Support
    from cg2ls.models.folder.gate import Eagerness, GateWeights

NAME_CHARS = 8192
"""Characters above and below the cursor in which names are looked up."""

_NAME = re.compile(r"[^\W\d]\w+")


@dataclass(frozen=True, kw_only=True)
class HypothesisFeatures:
    """Numbers about one answer, at the moment when it could be shown.

    Log-probabilities are in nats, with the prior mixed in if there is one. They leave out leading tokens that
    contain typed characters of a word, as the confidence gate does.

    Attributes:
        first_logprob: of the first token.
        least_logprob: of the least likely token.
        mean_logprob: mean of all tokens.
        sum_logprob: sum of all tokens.
        tokens: number of these tokens.
        characters: characters of the text to show.
        lines: lines of the text to show; 0 for no text.
        has_prior: whether there was a prior, such as repository memory.
        memory_first: tokens of the longest match before the first token; 0 without a match.
        memory_mean: mean length of the longest match before each token.
        memory_agreement: share of tokens for which a longest match voted.
        memory_votes: mean number of votes for each token.
        hypotheses: number of different hypotheses that were compared; 1 if there was only the greedy answer.
        is_greedy: whether the hypothesis is what greedy decoding gives.
        lead: log-probability by which the hypothesis is ahead of the best other one; negative if behind, 0 without
            another one.
        has_evidence: whether lines below were read after the hypothesis.
        evidence: mean log-probability per token of the lines below after the hypothesis; 0 without evidence.
        evidence_lead: summed log-probability of the lines below, minus the best of the other hypotheses.
        place: where in its line the cursor is.
        extent: whether the answer may have several lines.
        is_mid_line: whether code follows the cursor on its line.
        has_below: whether anything but blanks stands below the cursor's line.
        known_names: share of the text's names that occur near the cursor; 1 for a text without names.
        trigger: who asked.
    """

    first_logprob: float
    least_logprob: float
    mean_logprob: float
    sum_logprob: float
    tokens: int
    characters: int
    lines: int
    has_prior: bool
    memory_first: int
    memory_mean: float
    memory_agreement: float
    memory_votes: float
    hypotheses: int = 1
    is_greedy: bool = True
    lead: float = 0.0
    has_evidence: bool = False
    evidence: float = 0.0
    evidence_lead: float = 0.0
    place: PlaceKind
    extent: Extent
    is_mid_line: bool
    has_below: bool
    known_names: float
    trigger: Trigger


def describe_hypothesis(
    cursor: Cursor,
    *,
    extent: Extent,
    trigger: Trigger,
    request: Request,
    steps: Sequence[Step],
    text: str,
) -> HypothesisFeatures:
    """Return the features of an answer that was not compared with others.

    Args:
        cursor: place of the answer.
        extent: whether the answer may have several lines.
        trigger: who asked.
        request: request of the answer.
        steps: tokens of the answer.
        text: text to show of it.
    """
    logprobs = [step.logprob for step in drop_typed_steps(request.forced, steps)] or [0.0]
    support = _find_support(request, steps)
    count = max(1, len(support))
    return HypothesisFeatures(
        first_logprob=logprobs[0],
        least_logprob=min(logprobs),
        mean_logprob=sum(logprobs) / len(logprobs),
        sum_logprob=sum(logprobs),
        tokens=len(logprobs),
        characters=len(text),
        lines=text.count("\n") + 1 if text else 0,
        has_prior=request.prior is not None,
        memory_first=support[0].longest if support else 0,
        memory_mean=sum(each.longest for each in support) / count,
        memory_agreement=sum(0 < each.longest == each.agreeing for each in support) / count,
        memory_votes=sum(each.votes for each in support) / count,
        place=find_place_kind(cursor),
        extent=extent,
        is_mid_line=cursor.is_mid_line,
        has_below=bool(cursor.following_line),
        known_names=share_known_names(cursor, text),
        trigger=trigger,
    )


def compare_hypothesis(
    features: HypothesisFeatures,
    *,
    hypotheses: int,
    is_greedy: bool,
    lead: float,
    evidence: tuple[float, float] | None,
) -> HypothesisFeatures:
    """Return the features, with those that come from comparing the answer with other hypotheses.

    Args:
        features: features of the hypothesis alone.
        hypotheses: number of different hypotheses.
        is_greedy: whether it is the greedy one.
        lead: log-probability minus that of the best other one.
        evidence: log-probability per token of the lines below, and the sum's lead; None without lines below.
    """
    per_token, evidence_lead = evidence or (0.0, 0.0)
    return replace(
        features,
        hypotheses=hypotheses,
        is_greedy=is_greedy,
        lead=lead,
        has_evidence=evidence is not None,
        evidence=per_token,
        evidence_lead=evidence_lead,
    )


def share_known_names(cursor: Cursor, text: str) -> float:
    """Return the share of a text's names, of two characters or more, that occur near the cursor."""
    before = cursor.text[max(0, cursor.offset - NAME_CHARS) : cursor.offset]
    start = len(before)
    while start and _is_word(before[start - 1]):
        start -= 1
    above, word = before[:start], before[start:]
    names = set(_NAME.findall(word + text))
    if not names:
        return 1.0
    below = cursor.text[cursor.offset : cursor.offset + NAME_CHARS]
    return sum(_has_name(above, name) or _has_name(below, name) for name in names) / len(names)


def _has_name(text: str, name: str) -> bool:
    """Return whether a name occurs in a text as a whole word; a search for each name is faster than finding all."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not (_is_word(text[at - 1 : at]) or _is_word(text[end : end + 1])):
            return True
        at = text.find(name, at + 1)
    return False


def _is_word(character: str) -> bool:
    """Return whether a character may be part of a name; False for no character."""
    return character.isalnum() or character == "_"


def _find_support(request: Request, steps: Sequence[Step]) -> list[Support]:
    """Return what the prior says about each token; nothing if there is no such prior."""
    if not isinstance(request.prior, GuardedPrior):
        return []
    tokens = [step.token for step in steps]
    found = (request.prior.support(tokens[:place], token) for place, token in enumerate(tokens))
    return [support for support in found if support is not None]


def describe_decision(
    decision: Decision, cursor: Cursor, extent: Extent, trigger: Trigger, request: Request
) -> HypothesisFeatures:
    """Return the features of the decided answer.

    Args:
        decision: the decision.
        cursor: place of the answer.
        extent: whether the answer may have several lines.
        trigger: who asked.
        request: request of the answer.
    """
    features = describe_hypothesis(
        cursor,
        extent=extent,
        trigger=trigger,
        request=request,
        steps=decision.answer.steps,
        text=decision.processed.text,
    )
    chosen = decision.chosen
    if chosen is None:
        return features
    return compare_hypothesis(
        features,
        hypotheses=len(chosen.ranked),
        is_greedy=chosen.best.is_greedy,
        lead=chosen.lead,
        evidence=chosen.evidence,
    )


MEMORY_TOKENS = 8
"""Longer matches of memory say no more."""


def encode_features(features: HypothesisFeatures) -> dict[str, float]:
    """Return the inputs of a fitted gate by name; names of kinds become inputs of 0 and 1."""
    return encode_fields(vars(features))


def encode_fields(fields: Mapping[str, Any]) -> dict[str, float]:
    """Return the inputs of a fitted gate.

    Args:
        fields: the fields of `HypothesisFeatures` by name.
    """
    inputs: dict[str, float] = {}
    for name, value in fields.items():
        if name == "trigger":  # only answers that nobody asked for are judged
            continue
        if isinstance(value, str):
            inputs[f"{name}={value}"] = 1.0
        else:
            inputs[name] = float(value)
    for name in ("first", "least", "sum"):
        inputs[f"{name}_probability"] = math.exp(min(0.0, inputs[f"{name}_logprob"]))
        inputs[f"{name}_logprob"] = max(-20.0, inputs[f"{name}_logprob"])
    for name in ("memory_first", "memory_mean", "memory_votes"):
        inputs[name] = math.log1p(min(inputs[name], MEMORY_TOKENS**2))
    for name in ("tokens", "characters", "lines"):
        inputs[name] = math.log1p(inputs[name])
    for name in ("lead", "evidence_lead"):
        inputs[name] = max(-10.0, min(10.0, inputs[name]))
    inputs["prior_and_sum_probability"] = inputs["has_prior"] * inputs["sum_probability"]
    inputs["prior_and_sum_logprob"] = inputs["has_prior"] * inputs["sum_logprob"]
    return inputs


def judge_decision(
    gates: Sequence[GateWeights], eagerness: Eagerness, decision: Decision, features: HypothesisFeatures
) -> Decision:
    """Return a decision with the estimate of the last gate; its text is removed if a gate is not sure.

    Args:
        gates: fitted gates, all of which an answer must pass; the decision stays if there are none.
        eagerness: which of their thresholds holds.
        decision: what would be shown.
        features: numbers about it.
    """
    inputs = encode_features(features) if gates else {}
    for gate in gates:
        decision = replace(decision, confidence=gate.estimate(inputs))
        if decision.processed.text and decision.confidence < gate.thresholds[eagerness]:
            return replace(
                decision,
                processed=replace(decision.processed, text="", replace_length=0),
                is_sure=False,
                rules=(*(name for name in decision.rules if name != CONFIDENCE), CONFIDENCE),
            )
    return decision
