"""The measuring process's side of one worker."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from typing import TYPE_CHECKING

from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from cg2ls.evaluation.runtimes.worker_protocol import Json

LEAVING_S = 5


class Remote:
    """One engine in a process of its own.

    Args:
        name: of the engine, for reports and errors.
        command: starts its worker.
        env: the worker's environment; None for this process's.

    Attributes:
        version: of the engine.

    Raises:
        BenchError: the worker ended instead of getting ready.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in close
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=None if env is None else dict(env),
            )
        except OSError as error:
            self._errors.close()
            raise BenchError(f"{name} could not be started: {command[0]}: {error.strerror}.") from None
        try:
            self.version = str(self._receive()["ready"])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def generate(self, prompt: Sequence[int], tokens: int) -> Json:
        """Times and tokens of one answer to a new prompt (see `protocol`).

        Raises:
            BenchError: the worker ended.
        """
        return self._ask({"do": "generate", "prompt": list(prompt), "tokens": tokens})

    def key(self, prompt: Sequence[int], key: int, tokens: int) -> Json:
        """Times and tokens of the answer after one more token than a prompt answered just before.

        Raises:
            BenchError: the worker ended.
        """
        return self._ask({"do": "key", "prompt": list(prompt), "key": key, "tokens": tokens})

    def close(self) -> None:
        """Ends the worker."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _ask(self, request: Json) -> Json:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._receive()

    def _receive(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        reply: Json = json.loads(line)
        return reply

    def _ended(self) -> BenchError:
        self._process.wait()
        self._errors.seek(0)
        return BenchError(f"{self.name} ended early ({last_line(self._errors.read())}).")


def last_line(text: str) -> str:
    """The last line that says something, where Python and most tools put the problem."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"
