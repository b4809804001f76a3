"""Worker of cg2ls: `python -m cg2ls.evaluation.runtimes.cg2ls_worker FOLDER --threads N`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls import __version__
from cg2ls.engine import Engine, EngineOptions, Request
from cg2ls.errors import Cg2Error
from cg2ls.evaluation.runtimes.worker_protocol import Emit, serve_stdio

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cg2lsRuntime:
    """The engine as the language server uses it, including the log-probability of every token.

    Drafts are off: their gain depends on the text, and the prompts here are random.
    """

    outside_ms: float | None = None
    reported_ms: Sequence[float] | None = None

    def __init__(self, engine: Engine) -> None:
        self.version = __version__
        self._engine = engine
        self._kept: list[int] = []

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read a prompt and generate; a prompt with another first token than the last reuses nothing."""
        request = Request(prompt=prompt, max_tokens=tokens, ignore_stop_tokens=True)
        for step in self._engine.complete(request):
            emit(step.token)
        last = self._engine.last
        if last.decode_calls:
            self.outside_ms = (last.decode_ms - last.decode_runtime_ms) / last.decode_calls

    def keep(self, prompt: Sequence[int]) -> None:
        """Answer a prompt; the engine caches its keys and values by itself."""
        self._kept = list(prompt)
        self.generate(prompt, 2, lambda _: None)

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Answer the longer prompt."""
        self.generate([*self._kept, key], tokens, emit)


def main() -> int:
    """Serve the parent process."""
    parser = argparse.ArgumentParser(prog="python -m cg2ls.evaluation.runtimes.cg2ls_worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--provider", default="cpu")
    arguments = parser.parse_args()
    try:
        with Engine.open(
            arguments.folder,
            provider=arguments.provider,
            threads=arguments.threads,
            options=EngineOptions(drafts=False),
        ) as engine:
            serve_stdio(Cg2lsRuntime(engine))
    except Cg2Error as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
