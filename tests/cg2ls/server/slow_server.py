"""A real server around an engine that never ends by itself. It reports on stderr when it opens, begins and stops.

Its only argument is how many seconds it waits for the client's answers.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cg2ls.engine.request import Request, Step
from cg2ls.models.codegen2.special_tokens import SpecialTokens
from cg2ls.models.folder.description import Infill
from cg2ls.server.app import Server
from cg2ls.server.logs import configure
from cg2ls.server.settings import Settings
from cg2ls.server.transport import over_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FORMULA = b"width * height"


def _begun(text: bytes) -> int:
    """The length of the formula's beginning at the end of the prompt."""
    return next((size for size in range(len(FORMULA), 0, -1) if text.endswith(FORMULA[:size])), 0)


@dataclass
class SlowEngine:
    """Writes the forced bytes, then `x` every 20 ms.

    With `quick` in the document it writes one `x` and a line end, with `long` too a formula; with `broken` it
    fails; with `growing` it begins with two lines, and with `ended` ends there; with `which` it writes the names
    of the prompt's files. If several are requested, it writes `x`, `y`
    and `z`.
    """

    said: Callable[[str], None] = print
    context_length: int = 1024
    model: Any = None
    tokenizer: Any = None

    def __post_init__(self) -> None:
        self.model = SimpleNamespace(
            name="slow",
            infill=Infill(character_cuts=True, anchor_max_tokens=64),
            document_header="",
            languages={"python": None},
            line_choice=None,
            gate=None,
            weights_sha256="5" * 64,
        )
        special = SpecialTokens(vocab_size=261, end_of_text=256, sep=257, eom=258, n_masks=2)
        self.tokenizer = SimpleNamespace(
            encode=lambda text: list(text.encode()), special=special, to_json=lambda: "{}"
        )

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        yield Step(0, request.forced, 0.0)
        text = bytes(token for token in request.prompt if token < 256)
        if b"broken" in text:
            raise RuntimeError("the user's own code")
        if b"which" in text:
            names = re.findall(rb"^# (\w+)\.py$", text, re.MULTILINE)
            yield Step(0, (b"_".join(names) or b"none") + b"\n", 0.0)
            return
        if b"quick" in text:
            written = b"x\n" if b"long" not in text else FORMULA[_begun(text) :] + b"\n"
            yield Step(0, written, 0.0)
            return
        if b"growing" in text:
            yield Step(0, b"first = 1\n    second = 2\n    th", 0.0)
            if b"ended" in text:
                return
        self.said("decoding")
        while not stop():
            time.sleep(0.02)
            yield Step(0, b"", 0.0)
        self.said("decoding stopped")

    def candidates(self, request: Request, count: int, *_: object) -> list[list[Step]]:
        return [
            [Step(0, request.forced, 0.0), Step(0, b"xyz"[each : each + 1] + b"\n", -1.0 - each)]
            for each in (index % 3 for index in range(count))
        ]


def main() -> int:
    configure(None)

    def opened(*_: object) -> SlowEngine:
        print("opened", file=sys.stderr, flush=True)
        return SlowEngine(lambda what: print(what, file=sys.stderr, flush=True))

    settings = Settings({"repository_memory": False})  # memory cannot use this tokenizer
    server = Server(settings, opened)
    if len(sys.argv) > 1:
        server.protocol.patience_s = float(sys.argv[1])
    return server.run(lambda it: over_streams(it, sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    sys.exit(main())
