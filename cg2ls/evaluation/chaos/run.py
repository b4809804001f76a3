"""Type many keys in many documents while events from a seeded random source disturb the server."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.chaos import odd_messages, sandbox
from cg2ls.evaluation.chaos.client import ChaosClient
from cg2ls.evaluation.chaos.conversation import Conversation, LostServerError
from cg2ls.evaluation.chaos.documents import OpenDocument
from cg2ls.evaluation.chaos.result import ChaosResult
from cg2ls.evaluation.simulation.typist import KeyPress, Typist, type_again_and_again
from cg2ls.machine import read_resident_mb

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.sandbox import Sandbox
    from cg2ls.evaluation.simulation.sources import SourceFile

TYPISTS = 4
KEYS_PER_TURN = (5, 40)
"""Keys that one typist presses before another's turn."""

KEYS_PER_EVENT = 10
KEYS_PER_COMPARISON = 20
ANSWER_RATE = 0.85
"""Share of requests whose answer is awaited before the next key."""

LASTING_KEYS = (30, 150)
"""Duration of a full disk and similar faults, in keys."""

KILL_WINDOW_KEYS = 400
"""Keys during which the process to be killed may appear."""

MAX_LAST_TRIES = 3
"""Requests at the end, of which one must return a list; the first may find the model unloaded."""

Json = dict[str, Any]
OnProgress = Callable[[int], None]


def run_chaos(
    place: Sandbox,
    sources: Sequence[SourceFile],
    keys: int,
    *,
    seed: int = 0,
    command: Sequence[str] | None = None,
    on_progress: OnProgress = lambda _: None,
    patience_s: float | None = None,
) -> ChaosResult:
    """Type keys at a server; repeat the files as needed.

    Args:
        place: folders in which faults may happen.
        sources: files to write.
        keys: number of keys to press.
        seed: seed of keys, events and their times.
        command: starts the server; None for the real server.
        on_progress: receives the number of keys pressed, once in a hundredth of them.
        patience_s: seconds of silence after which the server counts as lost; None for the default.

    Raises:
        EvaluationError: there is nothing to type.
    """
    found = ChaosResult(seed)
    conversation = Conversation(
        command or place.command(), environment=place.environment(), folder=place.home, patience_s=patience_s
    )
    try:
        trace = islice(type_endlessly(sources, seed), keys)
        _ChaosRun(conversation, place, found, seed).type_all(trace, keys, on_progress)
    except LostServerError as error:
        found.died = str(error)
    finally:
        conversation.close()
        found.requests, found.answered = conversation.requests, conversation.answered
        found.errors = conversation.errors
        found.unanswered = sorted(conversation.outstanding.values())
    return found


def type_endlessly(sources: Sequence[SourceFile], seed: int) -> Iterator[KeyPress]:
    """Yield keys of several typists without end. Each has its own files, so that many documents are open.

    Raises:
        EvaluationError: no file is long enough to type in.
    """
    random_source = random.Random(f"typists {seed}")
    parts = [part for first in range(TYPISTS) if (part := _long_enough(sources[first::TYPISTS]))]
    typists = [type_again_and_again(part, seed) for part in parts or [sources]]
    while True:
        yield from islice(random_source.choice(typists), random_source.randint(*KEYS_PER_TURN))


def _long_enough(sources: Sequence[SourceFile]) -> Sequence[SourceFile]:
    """Return the files if at least one is long enough to type in, else none."""
    try:
        Typist(sources)
    except EvaluationError:
        return ()
    return sources


class _ChaosRun:
    """One run: its typists and its events."""

    def __init__(self, conversation: Conversation, place: Sandbox, found: ChaosResult, seed: int) -> None:
        self._conversation = conversation
        self._place = place
        self._found = found
        self._random = random.Random(f"chaos {seed}")
        self._client = ChaosClient(conversation, found, self._random)
        self._events: list[tuple[str, Callable[[OpenDocument], None]]] = []
        self._lasting_faults: list[tuple[int, sandbox.Undo]] = []
        self._kill_until = -1
        self._last_event = "the start"
        self._last_document: OpenDocument

    def type_all(self, keys: Iterator[KeyPress], max_keys: int, on_progress: OnProgress) -> None:
        """Run from the handshake to the server's end.

        Raises:
            LostServerError: the server died or stopped answering.
        """
        client = self._client
        client.initialize([root.as_uri() for root in self._place.roots])
        seen = set()
        quarters: list[list[float]] = [[], [], [], []]
        for number, key in enumerate(keys):
            uri = self._place.path_of(key.source).as_uri()
            seen.add(uri)
            document = client.type(uri, key.source.language, key.text, key.offset)
            if number == 0:
                client.wait_until_ready()
                client.answers_correctly = False
            self._last_document = document
            self._found.keys, self._found.documents = number + 1, len(seen)
            self._request(document)
            self._end_lasting_faults(number)
            if self._random.random() < 1 / KEYS_PER_EVENT:
                self._cause_event(document)
            if number % KEYS_PER_COMPARISON == 0:
                client.compare(self._last_event)
                memory = read_resident_mb(self._conversation.process.pid)
                quarters[4 * number // max_keys].extend([] if memory is None else [memory])
            if number % max(1, max_keys // 100) == 0:
                on_progress(number)
        self._found.resident_mb = [max(part) for part in quarters if part]
        self._finish()

    def _request(self, document: OpenDocument) -> None:
        """Request a completion at the cursor; usually wait for the answer, as a slow typist does."""
        asked = self._client.complete(document, trigger=1 if self._random.random() < 0.03 else 2)
        if self._random.random() < ANSWER_RATE:
            self._conversation.wait_for_answer(asked)
        else:
            self._conversation.receive_waiting()

    def _end_lasting_faults(self, number: int) -> None:
        for until, undo in [each for each in self._lasting_faults if each[0] <= number]:
            undo()
            self._lasting_faults.remove((until, undo))
        if number <= self._kill_until and sandbox.kill_child(self._conversation.process.pid):
            self._found.events["memory's child killed"] += 1
            self._kill_until = -1

    def _cause_event(self, document: OpenDocument) -> None:
        if not self._events:
            self._events = self._shuffle_events()
        name, event = self._events.pop()
        self._last_event = name
        try:
            event(document)
        except sandbox.UnsupportedFaultError:
            name = f"{name}: impossible here"
        self._found.events[name] += 1

    def _shuffle_events(self) -> list[tuple[str, Callable[[OpenDocument], None]]]:
        """Return every kind of event in random order, light ones more than once."""
        kinds: list[tuple[int, str, Callable[[OpenDocument], None]]] = [
            (1, "models restarted", self._restart_models),
            (
                1,
                "disk full",
                lambda _: self._schedule_undo(sandbox.fill_disk(self._conversation.process.pid)),
            ),
            (1, "state folder is a file", lambda _: self._schedule_undo(sandbox.block_state(self._place))),
            (1, "cache removed", lambda _: sandbox.remove_cache(self._place)),
            (1, "model touched", lambda _: sandbox.touch_model(self._place)),
            (1, "model replaced by a copy", lambda _: sandbox.replace_model(self._place)),
            (1, "counts saved", self._save_counts),
            (2, "document closed", lambda document: self._client.close(document.uri)),
            (2, "document opened again", self._reopen_document),
            (1, "document opened oddly", self._open_odd_document),
            (2, "file saved", self._save_file),
            (3, "request cancelled", self._cancel_request),
            (2, "requests superseded", self._supersede_requests),
            (3, "configuration changed", self._change_configuration),
            (5, "odd request", self._send_odd_request),
            (4, "odd notification", self._send_odd_notification),
            (2, "broken message", self._send_broken_message),
            (6, "odd edit", self._send_odd_edit),
        ]
        deck = [(name, event) for times, name, event in kinds for _ in range(times)]
        self._random.shuffle(deck)
        return deck

    def _schedule_undo(self, undo: sandbox.Undo) -> None:
        self._lasting_faults.append((self._found.keys + self._random.randint(*LASTING_KEYS), undo))

    def _restart_models(self, _: OpenDocument) -> None:
        """Restart the models. A child process then reads memory again, and is killed once it runs."""
        self._conversation.ask("workspace/executeCommand", {"command": "cg2ls.server.restart"})
        self._kill_until = self._found.keys + KILL_WINDOW_KEYS

    def _save_counts(self, _: OpenDocument) -> None:
        self._conversation.ask("workspace/executeCommand", {"command": "cg2ls.server.stats"})

    def _reopen_document(self, document: OpenDocument) -> None:
        if self._random.random() < 0.5:
            self._client.close(document.uri)
        self._client.open(document)

    def _open_odd_document(self, _: OpenDocument) -> None:
        """Open a document that is never edited; only its effect on other documents counts."""
        uri = f"file:///odd/{self._random.randrange(4)}.py"
        item = {"uri": uri, "languageId": "python", "version": 1, "text": "def f(x):\n    return "}
        item |= self._random.choice(
            [{"languageId": None}, {"version": None}, {"text": None}, {"languageId": "no such language"}]
        )
        item = {
            name: value for name, value in item.items() if value is not None or self._random.random() < 0.5
        }
        self._conversation.notify("textDocument/didOpen", {"textDocument": item})
        position = {"line": 1, "character": 11}
        for _times in range(3):
            params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 2}}
            self._conversation.wait_for_answer(self._conversation.ask(odd_messages.INLINE, params))
        self._conversation.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _save_file(self, document: OpenDocument) -> None:
        path = self._place.path_at(document.uri)
        path.write_text(document.text, encoding="utf-8", newline="\n")
        self._conversation.notify("textDocument/didSave", {"textDocument": {"uri": document.uri}})

    def _cancel_request(self, document: OpenDocument) -> None:
        asked = self._client.complete(document)
        self._conversation.notify("$/cancelRequest", {"id": asked})
        if self._random.random() < 0.3:
            self._conversation.notify("$/cancelRequest", {"id": asked})

    def _supersede_requests(self, document: OpenDocument) -> None:
        for _ in range(self._random.randint(2, 6)):
            self._client.complete(document)

    def _change_configuration(self, _: OpenDocument) -> None:
        self._client.settings = odd_messages.choose_settings(self._random.randrange(100))
        self._conversation.notify("workspace/didChangeConfiguration", {"settings": None})

    def _send_odd_request(self, document: OpenDocument) -> None:
        method, params = self._random.choice(odd_messages.make_requests(document))
        named = self._random.random() < 0.3
        identity = f"odd-{self._conversation.requests}" if named else None
        self._conversation.ask(method, params, identity=identity)

    def _send_odd_notification(self, _: OpenDocument) -> None:
        self._conversation.notify(*self._random.choice(odd_messages.make_notifications()))

    def _send_broken_message(self, _: OpenDocument) -> None:
        self._random.choice(odd_messages.make_broken_messages(self._conversation))()

    def _send_odd_edit(self, document: OpenDocument) -> None:
        at = self._random.randint(0, len(document.text))
        text = (
            document.text[:at] + self._random.choice(["é", "🦉\n", "x = 1\n", ""]) + document.text[at + 3 :]
        )
        edits = odd_messages.make_edits(document, text)
        which = self._random.randrange(len(edits))
        params = edits[which]()
        self._conversation.notify("textDocument/didChange", params)
        document.offset = min(document.offset, len(document.text))
        self._client.compare(f"odd edit {which}")

    def _finish(self) -> None:
        """End all faults; everything must be answered, all texts known, and the model must answer."""
        client, conversation = self._client, self._conversation
        for _, undo in self._lasting_faults:
            undo()
        client.answers_correctly, client.settings = True, {}
        conversation.notify("workspace/didChangeConfiguration", {"settings": None})
        conversation.settle()
        client.compare("the end")
        document = next(reversed(client.mirror.documents.values()), None) or client.open(self._last_document)
        answer: Json = {}
        for _ in range(MAX_LAST_TRIES):
            client.wait_until_ready()
            answer = conversation.wait_for_answer(client.complete(document, trigger=1))
            if isinstance(answer.get("result"), dict):
                break
        else:
            self._found.refused.append(f"the last request got {answer}; the server reports {client.state}")
        conversation.call("shutdown", None)
        conversation.notify("exit", None)
        try:
            status = conversation.process.wait(conversation.patience_s)
        except subprocess.TimeoutExpired:
            conversation.process.send_signal(signal.SIGTERM)
            raise LostServerError("The server did not end after `exit`.") from None
        if status:
            raise LostServerError(f"The server ended with status {status}.")
