"""Effect of each rule: answers with it and without it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cg2ls.completion.postprocess.rule import FORMER_NAMES
from cg2ls.evaluation.quality.scores import SHARES, judge
from cg2ls.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cg2ls.completion import CompletionOptions
    from cg2ls.evaluation.quality.positions import Position
    from cg2ls.evaluation.quality.scores import JudgedAnswer
    from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer

Json = dict[str, Any]

COMPARED = ("exact_line", "edit_similarity", "shown", "shown_wrong")
"""Shares whose denominators no rule changes."""


@dataclass
class RuleEffects:
    """Verdicts of every position with all rules, and without each rule that changed its answer.

    Attributes:
        judged: verdicts with all rules.
        without: verdicts by rule and position number; positions that the rule did not change are left out.
    """

    judged: list[JudgedAnswer]
    without: dict[str, dict[int, JudgedAnswer]]

    def to_json(self) -> Json:
        """Return, by rule, the share of positions it changed, and each share with it and without it.

        Keys are former names of the rules (`FORMER_NAMES`); `rule` is the current one. `difference` is the 95 %
        interval of the share with the rule minus the share without it.
        """
        return {
            key: {"rule": name} | self._rule(self.without[name])
            for key, name in sorted((FORMER_NAMES.get(name, name), name) for name in self.without)
        }

    def _rule(self, changed: dict[int, JudgedAnswer]) -> Json:
        off = [changed.get(number, judged) for number, judged in enumerate(self.judged)]
        files = [position.source.name for position, _ in off]
        found: Json = {"changed": round(len(changed) / len(off), 4)}
        for name in COMPARED:
            share = SHARES[name]
            of = list(map(share.of, off))
            with_it, without = list(map(share.hits, self.judged)), list(map(share.hits, off))
            below = sum(of) or 1
            differences = [one - other for one, other in zip(with_it, without, strict=True)]
            low, high = bootstrap_interval(files, differences, of)
            found[name] = {
                "on": round(sum(with_it) / below, 4),
                "off": round(sum(without) / below, 4),
                "difference": [round(low, 4), round(high, 4)],
            }
        return found


def measure_rule_effects(
    positions: Iterable[Position],
    options: CompletionOptions,
    editor_with: Callable[[CompletionOptions], HeadlessEditor],
) -> RuleEffects:
    """Complete at every position, and again without each rule that changed the answer.

    A rule that changes nothing also ends no generation, so without it the answer would be the same. Every answer is the
    first in its document, so that all get the same prompt.

    Args:
        positions: positions to complete at.
        options: completion options.
        editor_with: makes an editor with other options.
    """
    editors = {"": editor_with(options)}
    found = RuleEffects([], defaultdict(dict))
    for number, position in enumerate(positions):
        answer = ask_first(editors[""], position)
        found.judged.append((position, judge(position.passage, answer.text, answer.replace_length)))
        for name in dict.fromkeys(answer.changed_by):
            if name not in editors:
                editors[name] = editor_with(replace(options, disabled_rules=options.disabled_rules | {name}))
            other = ask_first(editors[name], position)
            found.without[name][number] = (
                position,
                judge(position.passage, other.text, other.replace_length),
            )
    return found


def ask_first(editor: HeadlessEditor, position: Position) -> TimedAnswer:
    """Return the answer at a position of a document that was just opened."""
    editor.close(position.source)
    return editor.ask(position.source, *position.get_place())
