"""A real server for HTTP around the engine of `slow_server.py`, which a test can watch.

Its arguments are those of `cg2ls serve --http`; `delay=SECONDS` as the last one opens the model that much later.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.http.listener import HttpOptions, listening, without_editor
from cg2ls.server.app import Server
from cg2ls.server.logs import configure
from cg2ls.server.settings import Settings
from tests.cg2ls.server.slow_server import SlowEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cg2ls.engine.request import Request, Step


class TellingEngine(SlowEngine):
    """Tells when it is asked."""

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        self.said("asked")
        yield from super().complete(request, stop)


def main() -> int:
    configure(None)
    delay = float(sys.argv[1])

    def opened(*_: object) -> SlowEngine:
        time.sleep(delay)
        return TellingEngine(lambda what: print(what, file=sys.stderr, flush=True))

    settings = Settings({"repository_memory": False, "min_confidence": 0.0})
    server = Server(settings, opened)
    roots = tuple(map(Path, sys.argv[2:]))
    server.protocol.beside = lambda: listening(server, HttpOptions(port=0, roots=roots))
    server.run(without_editor)
    return 0


if __name__ == "__main__":
    sys.exit(main())
