"""Update an index in a child process, so that no key press waits for Python's global lock.

Nothing depends on that process: if anything goes wrong with it, this process does the work.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import cg2ls
from cg2ls.errors import Cg2Error
from cg2ls.models.folder.tokens import tokens_to_dict
from cg2ls.retrieval.memory.index import EMPTY
from cg2ls.retrieval.memory.read_workspace import Listener, Progress, Stamp, StoppedError
from cg2ls.retrieval.memory.store import StoreError
from cg2ls.retrieval.memory.update_index import Updated, in_process
from cg2ls.system import unseen
from cg2ls.workspace import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.retrieval.memory.index import Index
    from cg2ls.retrieval.memory.update_index import Task

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "cg2ls.retrieval.memory.index_worker")

FOLDER = Path(cg2ls.__file__).parents[1]
"""Working directory of the child. Python looks for modules there first, so it must not be the workspace."""

STOP_POLL_S = 0.1
"""Seconds between two calls of `Listener.stop`."""


class IndexProcessError(Cg2Error):
    """The child process could not do the work."""


def in_child(task: Task, tokenizer: CodeTokenizer, known: Index, listener: Listener) -> Updated:
    """Do the work of `update_index.in_process` in a child process of low priority.

    Args:
        task: index to update.
        tokenizer: tokenizer of the model.
        known: the index as last read, in case this process must do the work.
        listener: receives progress, at most once per percent.

    Raises:
        StoppedError: the listener requested it; the child is ended.
    """
    if not task.store.has_place:  # the child could not return its result
        return in_process(task, tokenizer, known, listener)
    try:
        return _by_child(task, tokenizer, listener)
    except (IndexProcessError, OSError, StoreError) as error:
        log.warning("%s is read by the server itself: %s", task.workspace.root, error)
        return in_process(task, tokenizer, known, listener)


def _by_child(task: Task, tokenizer: CodeTokenizer, listener: Listener) -> Updated:
    special = tokenizer.special
    vocabulary = {"vocab_size": special.vocab_size, "tokens": tokens_to_dict(special)}
    asked = {"task": task.to_json(), "tokenizer": tokenizer.to_json(), **vocabulary}
    with _child(json.dumps(asked).encode() + b"\n") as lines:
        for line in _until_stopped(lines, listener):
            try:
                done = _handle_line(json.loads(line), task, listener)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise IndexProcessError(f"its process printed {line[:80]!r} ({error}).") from None
            if done is not None:
                return done
    raise IndexProcessError("its process ended without an answer.")


def _handle_line(said: dict[str, Any], task: Task, listener: Listener) -> Updated | None:
    """Handle one line of the child's; return the result if it is the last line."""
    if "failed" in said:
        raise IndexProcessError(f"its process reports: {said['failed']}")
    if "refused" in said:
        path, reason, detail = said["refused"]
        listener.refused(Refusal(Path(path), reason, detail))
        return None
    if "files" in said:
        listener.report(Progress(int(said["files"]), int(said["of"])))
        return None
    changed = {path: Stamp(*stamp) for path, stamp in said["changed"].items()}
    gone = [str(path) for path in said["gone"]]
    return Updated(task.store.read() if said["on_disk"] else EMPTY, changed, gone)


@contextmanager
def _child(asked: bytes) -> Iterator[SimpleQueue[bytes | None]]:
    """Yield the lines that a child answers with, then None; end the child after the block."""
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=FOLDER,
        creationflags=unseen(),
    )
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    talking = threading.Thread(target=_talk, args=(process, asked, lines), name="memory-child", daemon=True)
    talking.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        talking.join()


def _talk(process: subprocess.Popen[bytes], asked: bytes, lines: SimpleQueue[bytes | None]) -> None:
    """Send the request and read the answers, in a thread: the request may be longer than a pipe's buffer."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError), process.stdin, process.stdout:  # it ended meanwhile
        process.stdin.write(asked)
        process.stdin.flush()
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _until_stopped(lines: SimpleQueue[bytes | None], listener: Listener) -> Iterator[bytes]:
    while True:
        if listener.stop():
            raise StoppedError
        try:
            line = lines.get(timeout=STOP_POLL_S)
        except Empty:
            continue
        if line is None:
            return
        yield line
