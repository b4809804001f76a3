"""Child process that updates one index: `python -m cg2ls.retrieval.memory.index_worker`.

It reads one line of JSON, a task and the tokenizer, and answers with lines of JSON: progress, refused files, and
at the end the result or the reason of its failure. It ends when its stdin does, so it never outlives the server.
`cg2ls.retrieval.memory.index_process` is the other side.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from cg2ls.system import give_way

if TYPE_CHECKING:
    from cg2ls.retrieval.memory.read_workspace import Progress
    from cg2ls.workspace import Refusal


def main() -> None:
    """Do the work that stdin requests."""
    give_way()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal sends it to all processes; the server ends this one
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):  # the server has ended
        return
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        _send(_done(json.loads(line)))
    except Exception as error:  # the server continues without this process
        _send({"failed": f"{type(error).__name__}: {error}"})
    os._exit(0)


def _done(said: dict[str, Any]) -> dict[str, Any]:
    """Return the last line's content for a task."""
    from tokenizers import Tokenizer

    from cg2ls.models.codegen2.tokenizer import CodeTokenizer
    from cg2ls.models.folder.fields import Fields
    from cg2ls.models.folder.tokens import read_tokens
    from cg2ls.retrieval.memory.index import EMPTY
    from cg2ls.retrieval.memory.read_workspace import Listener
    from cg2ls.retrieval.memory.update_index import Task, in_process

    special = read_tokens(Fields(said["tokens"]), said["vocab_size"])
    special_or_none = None if special.n_masks else special  # CodeGen2's special tokens are looked up
    tokenizer = CodeTokenizer(Tokenizer.from_str(said["tokenizer"]), special=special_or_none)
    done = in_process(
        Task.from_json(said["task"]), tokenizer, EMPTY, Listener(_PercentReporter().report, _refused)
    )
    if done.problem:
        return {"failed": done.problem}
    changed = {path: [stamp.modified, stamp.size] for path, stamp in done.changed.items()}
    return {"changed": changed, "gone": done.gone, "on_disk": bool(done.index.files)}


class _PercentReporter:
    """Reports progress once per percent."""

    def __init__(self) -> None:
        self._reported = -1

    def report(self, progress: Progress) -> None:
        """Report the progress of reading."""
        percent = 100 * progress.files // max(1, progress.of)
        if percent > self._reported:
            self._reported = percent
            _send({"files": progress.files, "of": progress.of})


def _refused(refusal: Refusal) -> None:
    _send({"refused": [str(refusal.path), refusal.reason, refusal.detail]})


def _send(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")
    sys.stdout.buffer.flush()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
