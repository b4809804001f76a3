"""The gate of a model that has a fitted one: inputs from an answer's features, and whether it may be shown.

The running gate (`confidence_gate`) still ends answers that are nearly always wrong, which saves time. What remains is
judged once, with everything that is known by then.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cg2ls.completion.confidence_gate import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cg2ls.completion.decision import Decision
    from cg2ls.completion.hypothesis_features import HypothesisFeatures
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.types import CompletionEngine

EARLY_CONFIDENCE = 0.05
"""Running confidence below which an answer ends, if a fitted gate judges the rest."""

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
    engine: CompletionEngine, options: CompletionOptions, decision: Decision, features: HypothesisFeatures
) -> Decision:
    """Return a decision with the estimate of the model's fitted gate, and without text if it is not sure.

    Args:
        engine: the open model, which has a fitted gate.
        options: what the user set.
        decision: what would be shown.
        features: numbers about it.
    """
    gate = engine.model.gate
    assert gate is not None
    probability = gate.estimate(encode_features(features))
    if probability >= gate.thresholds[options.eagerness] or not decision.processed.text:
        return replace(decision, confidence=probability)
    return replace(
        decision,
        processed=replace(decision.processed, text="", replace_length=0),
        confidence=probability,
        is_sure=False,
        rules=(*(name for name in decision.rules if name != CONFIDENCE), CONFIDENCE),
    )
