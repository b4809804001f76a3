"""Print the time of completion outside of the engine, while lines of a long file are typed again.

    python tools/completion_overhead.py FILE...

The engine takes no time. The files are joined to 20,000 lines. Times are from the document to the text to show: anchor,
tokenizer, prompt, rules and parsing. They are processor time, so that other programs do not count.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import TYPE_CHECKING

from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.engine.request import Request, Step
from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.models.folder.description import ModelDescription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINES, TYPED, STRIDE = 20_000, 60, 3
EVERY_KEY = CompletionOptions(disabled_rules=frozenset({"typed_through"}))
DEFAULT = Path(__file__).parents[1] / "cg2ls" / "default"


@dataclass
class Instant:
    """Engine that knows the rest of the line."""

    model: ModelDescription
    tokenizer: CodeTokenizer
    context_length: int
    rest: str = ""

    def complete(self, request: Request, _: Callable[[], bool]) -> Iterator[Step]:
        """Write the rest of the line."""
        yield Step(0, request.forced + self.rest.encode(), -0.01)
        yield Step(0, b"\n", -0.01)


def main() -> int:
    """Print the median and the 95th percentile in milliseconds."""
    text = "".join(Path(name).read_text("utf-8") for name in sys.argv[1:])
    lines = text.splitlines()
    if not lines:
        print(__doc__)
        return 2
    lines = (lines * (LINES // len(lines) + 1))[:LINES]
    model = ModelDescription.read(DEFAULT)
    engine = Instant(model, CodeTokenizer.load(DEFAULT / "tokenizer.json"), model.context_length)
    times: list[float] = []
    chosen = [number for number, line in enumerate(lines) if len(line.strip()) > 12]
    for number in random.Random(1).sample(chosen, TYPED):
        line, session = lines[number], DocumentSession(engine, "python", EVERY_KEY)
        above, below = "\n".join(lines[:number]) + "\n", "\n" + "\n".join(lines[number + 1 :])
        for column in range(len(line) - len(line.lstrip()), len(line), STRIDE):
            engine.rest = line[column:]
            document, offset = above + line[:column] + below, len(above) + column
            began = thread_time()
            session.complete(document, offset)
            times.append(1e3 * (thread_time() - began))
    times.sort()
    p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
    print(f"{len(times)} keys in {LINES} lines: p50 {p50:.2f} ms, p95 {p95:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
