"""Lines are reported only when neither the gate nor a rule would change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cg2ls.completion.confidence_gate import ConfidenceGate
from cg2ls.completion.generate import GeneratedAnswer
from cg2ls.completion.postprocess.pipeline import Postprocessor
from cg2ls.completion.postprocess.rule import RuleContext
from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.results import FinalLines
from cg2ls.completion.syntax.grammar import load_grammar
from cg2ls.engine.request import Step

if TYPE_CHECKING:
    from cg2ls.completion.trigger import Extent


def report(answer: str, *, extent: Extent = "block", unsure_from: int = 1000) -> list[str]:
    """Return what is reported of an answer in a function's body, with an unlikely byte at an offset."""
    text = "def f(a):\n    "
    context = RuleContext(
        cursor=Cursor.at(text, len(text)), extent=extent, language="python", grammar=load_grammar("python")
    )
    gate = ConfidenceGate(b"", 0.1)
    found: list[str] = []
    watcher = FinalLines(Postprocessor(context=context), gate, found.append)
    generated = GeneratedAnswer(forced=0)
    for at, byte in enumerate(answer.encode()):
        step = Step(0, bytes([byte]), -9.0 if at == unsure_from else -0.001)
        generated.add(step)
        gate.take(step)
        watcher.take(generated)
    return found


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        ("b = a", []),
        ("b = a\n    c = ", ["b = a"]),
        ("b = a\n    c = b\n    return c\n", ["b = a", "b = a\n    c = b", "b = a\n    c = b\n    return c"]),
        ('"""Say it\n    twice."""\n    x = 1', ['"""Say it\n    twice."""']),
        ("b = )\n    c = 1\n", []),
    ],
)
def test_whole_lines_that_no_rule_changes_are_reported(answer: str, reported: list[str]) -> None:
    assert report(answer) == reported


def test_lines_below_an_unsure_token_are_not_final() -> None:
    assert report("b = a\n    c = b\n", unsure_from=8) == ["b = a"]


def test_one_line_is_final_only_as_a_whole() -> None:
    assert report("b = a\n", extent="line") == []
