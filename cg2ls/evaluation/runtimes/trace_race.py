"""The same trace for our engine and for a rival that keeps nothing from one key to the next, in turns.

Ours runs twice: at every key, and answering from the last suggestion where that is being typed. The rival is
given the prompts of the first and generates as many tokens; laying out prompts and cutting answers costs it
nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.latency.typing import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cg2ls.evaluation.runtimes.other_runtimes import Remote
    from cg2ls.evaluation.runtimes.scripted_engine import DictatedEngine
    from cg2ls.evaluation.simulation.headless_editor import Answer, Editor
    from cg2ls.evaluation.simulation.typist import Key

STRETCH = 20
"""Keys of one turn."""

REST_S = 0.3
"""Before every turn, so that no thread of the last one still spins."""

Json = dict[str, Any]


@dataclass
class Speaker:
    """Tells what is said at each key, where the engine's own weights are random.

    Attributes:
        editor: a trained model's.
        dictated: the engines that say it.
    """

    editor: Editor
    dictated: Sequence[DictatedEngine]

    def says(self, key: Key) -> str:
        """What the trained model shows at this key."""
        return self.editor.ask(key.source, key.text, key.offset).text

    def dictate(self, text: str) -> None:
        """Has the engines say this."""
        for engine in self.dictated:
            engine.script = text


@dataclass
class Race:
    """Times of every key, in milliseconds from the request to the answer.

    Attributes:
        alone: ours, the model asked at every key.
        typed_through: ours, as the server uses it.
        rivals: by name.
        prompt_tokens: of every request.
        answer_tokens: of every request.
    """

    alone: list[float] = field(default_factory=list)
    typed_through: list[float] = field(default_factory=list)
    rivals: dict[str, list[float]] = field(default_factory=dict)
    prompt_tokens: list[int] = field(default_factory=list)
    answer_tokens: list[int] = field(default_factory=list)

    @property
    def times(self) -> dict[str, list[float]]:
        """All times by who was asked."""
        return {"alone": self.alone, "typed_through": self.typed_through, **self.rivals}

    def to_json(self) -> Json:
        """Percentiles, sums, and ratios of the sums: above 1 ours is faster."""
        times = self.times
        return {
            "race": {
                "keys": len(self.alone),
                "prompt_tokens": percentiles(self.prompt_tokens, (50, 95)),
                "answer_tokens": percentiles(self.answer_tokens, (50, 95)),
                "line_ms": {name: percentiles(found, (50, 95, 99)) for name, found in times.items()},
                "total_ms": {name: round(sum(found), 1) for name, found in times.items()},
                "ratios": {
                    f"{mode}_vs_{rival}": round(sum(found) / sum(times[mode]), 3)
                    for rival, found in self.rivals.items()
                    for mode in ("alone", "typed_through")
                },
            }
        }


def race(
    keys: Iterable[Key],
    count: int,
    alone: Editor,
    typed_through: Editor,
    remotes: Sequence[Remote],
    *,
    speaker: Speaker | None = None,
    rest: Callable[[float], None] = time.sleep,
) -> Race:
    """Runs stretches of the trace in turns; the first is not counted.

    Args:
        keys: the trace.
        count: keys that count, rounded up to whole stretches.
        alone: asks the model at every key.
        typed_through: may answer from the last suggestion. Must have an engine of its own.
        remotes: the rivals' workers.
        speaker: dictates the answers of random weights; None to leave them as they are.
        rest: waits so many seconds.
    """
    found = Race(rivals={remote.name: [] for remote in remotes})
    trace = iter(keys)
    warm = Race(rivals={remote.name: [] for remote in remotes})
    _run(list(islice(trace, STRETCH)), alone, typed_through, remotes, warm, speaker, rest)
    while len(found.alone) < count and (stretch := list(islice(trace, STRETCH))):
        _run(stretch, alone, typed_through, remotes, found, speaker, rest)
    return found


def _run(
    stretch: Sequence[Key],
    alone: Editor,
    typed_through: Editor,
    remotes: Sequence[Remote],
    into: Race,
    speaker: Speaker | None,
    rest: Callable[[float], None],
) -> None:
    scripts = [speaker.says(key) if speaker else "" for key in stretch]
    answers, through = (_ours(stretch, scripts, editor, speaker, rest) for editor in (alone, typed_through))
    asked = [(one, other) for one, other in zip(answers, through, strict=True) if one.cost]
    into.alone += [one.line_ms for one, _ in asked]
    into.typed_through += [other.line_ms for _, other in asked]
    costs = [one.cost for one, _ in asked if one.cost]
    into.prompt_tokens += [len(cost.prompt) for cost in costs]
    into.answer_tokens += [cost.generated for cost in costs]
    for remote in remotes:
        rest(REST_S)
        into.rivals[remote.name] += [
            remote.generate(cost.prompt, max(1, cost.generated))["ms"][-1] for cost in costs
        ]


def _ours(
    stretch: Sequence[Key],
    scripts: Sequence[str],
    editor: Editor,
    speaker: Speaker | None,
    rest: Callable[[float], None],
) -> list[Answer]:
    rest(REST_S)
    found = []
    for key, script in zip(stretch, scripts, strict=True):
        if speaker:
            speaker.dictate(script)
        found.append(editor.ask(key.source, key.text, key.offset))
    return found
