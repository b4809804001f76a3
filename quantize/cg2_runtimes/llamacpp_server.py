"""llama.cpp's own HTTP server, as an editor's plugin uses it: prompts as ids, its prompt cache on."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from contextlib import closing, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from cg2_runtimes.llamacpp_convert import MODEL
from cg2ls.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.evaluation.runtimes.worker_protocol import Emit

PROGRAM = "llama-server"

HOST = "127.0.0.1"

BATCH = 1024
"""Tokens read in one call, as llama.vim and llama.vscode start the server (`--fim-qwen-1.5b-default`)."""

REUSE = 256
"""Tokens of the shortest piece that is moved inside the cache, as these two start the server."""

SLOTS = 1
"""Conversations at once. The server keeps the prompts of others in its memory, up to 8 GiB, and gives them back."""

PATIENCE_S = 300.0

GREEDY = {"temperature": 0, "ignore_eos": True, "return_tokens": True}

Json = dict[str, Any]


class LlamaCppServer:
    """Answers by HTTP. Times of its own come from the server's `timings`, which exclude HTTP.

    Args:
        address: host and port of the server, as `127.0.0.1:8012`.
        version: the server's version.
        stop: ends the server.

    Attributes:
        reported_ms: the server's own times of the last answer's tokens.
    """

    outside_ms: float | None = None

    def __init__(self, address: str, version: str, stop: Callable[[], object] = lambda: None) -> None:
        self.version = version
        self.reported_ms: Sequence[float] | None = None
        self._address = address
        self._stop = stop
        self._kept: list[int] = []

    def close(self) -> None:
        """End the server."""
        self._stop()

    def generate(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Read a prompt without the cache, and generate."""
        self._complete(prompt, tokens, emit, cached=False)

    def keep(self, prompt: Sequence[int]) -> None:
        """Read a prompt, which stays in the cache."""
        self._kept = list(prompt)
        self._complete(prompt, 1, lambda _: None, cached=False)

    def answer(self, key: int, tokens: int, emit: Emit) -> None:
        """Continue from the kept prompt."""
        self._complete([*self._kept, key], tokens, emit, cached=True)

    def complete(self, prompt: Sequence[int], tokens: int, emit: Emit) -> None:
        """Answer as an editor's request is answered: of the prompt, only what no cache has is read."""
        self._complete(prompt, tokens, emit, cached=True)

    def _complete(self, prompt: Sequence[int], tokens: int, emit: Emit, *, cached: bool) -> None:
        request = GREEDY | {"prompt": list(prompt), "n_predict": tokens, "cache_prompt": cached}
        found = self._post("/completion", request)
        timings, ids = found["timings"], found["tokens"]
        if len(ids) != tokens:
            raise EvaluationError(f"llama.cpp generated {len(ids)} tokens instead of {tokens}.")
        first, per_token = timings["prompt_ms"], timings["predicted_ms"] / max(1, tokens - 1)
        self.reported_ms = [first + number * per_token for number in range(tokens)]
        for token in ids:
            emit(token)

    def _post(self, path: str, body: Json) -> Json:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        with closing(connection):  # the server closes a connection that is idle for some seconds
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            found: Json = json.loads(response.read())
        if response.status != http.client.OK:
            raise EvaluationError(f"llama.cpp's server refused a request ({found['error']['message']}).")
        return found


def find_program() -> Path | None:
    """Return llama.cpp's server program beside this Python, such as one built for this processor; None without one."""
    found = Path(sys.executable).with_name(PROGRAM)
    return found if found.exists() else None


def has_server() -> bool:
    """Return whether this Python's environment has llama.cpp's server."""
    return find_program() is not None or find_spec("xllamacpp") is not None


def start_server(folder: Path, threads: int) -> LlamaCppServer:
    """Start llama.cpp's server of this environment: the program beside this Python, or else that of xllamacpp.

    Args:
        folder: written by `llamacpp_convert.convert`.
        threads: threads for prompts and for tokens.

    Raises:
        EvaluationError: it does not become ready.
    """
    program = find_program()
    return start_program(program, folder, threads) if program else _start_package(folder, threads)


def start_program(program: Path, folder: Path, threads: int) -> LlamaCppServer:
    """Start a server program and wait until it has read the model.

    Args:
        program: llama.cpp's `llama-server`.
        folder: written by `llamacpp_convert.convert`.
        threads: threads for prompts and for tokens.

    Raises:
        EvaluationError: it does not become ready.
    """
    port = _find_port()
    options = {
        "-m": folder / MODEL,
        "--host": HOST,
        "--port": port,
        "-t": threads,
        "-tb": threads,
        "-np": SLOTS,
    }
    options |= {"-b": BATCH, "-ub": BATCH, "--cache-reuse": REUSE}
    command = [str(program), *(str(part) for pair in options.items() for part in pair)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        process.wait()

    try:
        _wait_until_ready(f"{HOST}:{port}", process)
    except BaseException:
        stop()
        raise
    return LlamaCppServer(f"{HOST}:{port}", _read_version(program), stop)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    end = monotonic() + PATIENCE_S
    while monotonic() < end:
        if process.poll() is not None:
            raise EvaluationError(
                f"{PROGRAM} ended with status {process.returncode}; run it by hand to see why."
            )
        connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            if connection.getresponse().status == http.client.OK:
                return
        sleep(0.05)
    raise EvaluationError(f"{PROGRAM} was not ready after {PATIENCE_S:.0f} seconds.")


def _find_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _read_version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((line for line in lines if line.startswith("version")), f"{PROGRAM} of unknown version")


def _start_package(folder: Path, threads: int) -> LlamaCppServer:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(folder / MODEL)
    params.hostnames, params.port, params.ui = [HOST], 0, False
    params.n_batch = params.n_ubatch = BATCH
    params.n_cache_reuse, params.n_parallel = REUSE, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        running = [xllamacpp.Server(params)]
    except RuntimeError as error:
        raise EvaluationError(f"xllamacpp cannot serve {folder / MODEL} ({error})") from None
    address = running[0].listening_address.removeprefix("http://")
    return LlamaCppServer(address, f"xllamacpp {version('xllamacpp')}", running.clear)
