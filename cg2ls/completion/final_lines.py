"""Lines of an answer that are final, whatever follows them; they are reported while the model still generates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cg2ls.completion.choose import may_choose
from cg2ls.completion.generate import ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.confidence_gate import ConfidenceGate, Thresholds
    from cg2ls.completion.generate import GeneratedAnswer
    from cg2ls.completion.postprocess.pipeline import Postprocessor
    from cg2ls.completion.results import Call


@dataclass
class FinalLines:
    """Watches an answer and reports its whole lines once the gate is sure and no rule changes them.

    Nothing inside a line is final: the gate may still drop the line, and rules judge its end. Text below can still make
    a rule drop a reported line. The answer then ends after the reported lines, since the rules accepted them alone.

    Attributes:
        postprocessor: rules for the cursor.
        gate: the confidence gate that watches the answer.
        report: called with all final lines so far, without the last line end.
    """

    postprocessor: Postprocessor
    gate: ConfidenceGate
    report: Callable[[str], object]
    _seen: str = field(default="", init=False)

    def take(self, answer: GeneratedAnswer) -> None:
        """Report the final lines if there are more of them."""
        if self.postprocessor.context.extent == "line":
            return
        lines = answer.sure_lines(self.gate.sure_bytes).rstrip()
        if len(lines) <= len(self._seen):
            return
        self._seen = lines
        processed = self.postprocessor.process(lines, ended=True)
        if processed.text == lines and not processed.replace_length:
            self.report(lines)


def watch_lines(
    call: Call, thresholds: Thresholds, postprocessor: Postprocessor, gate: ConfidenceGate
) -> Callable[[GeneratedAnswer], object]:
    """Return the function that watches an answer; it does nothing if lines are not wanted or only the whole counts.

    Args:
        call: call of the session.
        thresholds: whether a fitted gate judges the whole answer.
        postprocessor: rules for the cursor.
        gate: the gate that watches the answer.
    """
    is_decided_late = (
        call.count > 1
        or bool(thresholds.list_gates(call.trigger))
        or may_choose(thresholds.options, call.trigger, postprocessor)
    )
    return (
        ignore
        if call.on_lines is None or is_decided_late
        else FinalLines(postprocessor, gate, call.on_lines).take
    )
