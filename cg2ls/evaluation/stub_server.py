"""Language server whose engine takes no time: the rest of a key's time is the server's own.

    python -m cg2ls.evaluation.stub_server MODEL_FOLDER

Tokenizer, prompt, rules and protocol are the real ones; only the graph is never run. `cg2ls bench --server`
measures it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.engine.request import Request, Step
from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.models.folder.description import TOKENIZER, ModelDescription
from cg2ls.server.app import Server
from cg2ls.server.logs import configure
from cg2ls.server.settings import Settings
from cg2ls.server.transport import over_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = b"measured_value + 1\n"


class StubEngine:
    """Engine that gives the same answer to every prompt, at once.

    Args:
        folder: folder of the model whose tokenizer and description it has.
    """

    def __init__(self, folder: Path) -> None:
        self.model = ModelDescription.read(folder)
        self.tokenizer = CodeTokenizer.load(folder / TOKENIZER, self.model.tokens)
        self.context_length = self.model.context_length

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Yield one step for the forced bytes and one for each word."""
        if request.forced:
            yield Step(0, request.forced, -0.1)
        for word in ANSWER.split(b" "):
            if stop():
                return
            yield Step(0, word + (b"" if word.endswith(b"\n") else b" "), -0.1)


def main() -> int:
    """Serve one client over stdin and stdout."""
    folder = Path(sys.argv[1])
    configure(None)
    server = Server(
        Settings({"stats": False, "delay_ms": 0, "speculate": False}), lambda *_: StubEngine(folder)
    )
    return server.run(lambda it: over_streams(it, sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    sys.exit(main())
