"""Many keys over many documents, while at random but seeded times something goes wrong."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.chaos import odd_messages, sandbox
from cg2ls.evaluation.chaos.client import Client
from cg2ls.evaluation.chaos.conversation import Conversation, LostError
from cg2ls.evaluation.chaos.documents import Open
from cg2ls.evaluation.chaos.result import Chaos
from cg2ls.evaluation.errors import ReplayError
from cg2ls.evaluation.latency.server_process import resident_mb
from cg2ls.evaluation.simulation.typist import Key, Typist

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.sandbox import Surroundings
    from cg2ls.evaluation.simulation.sources import Source

TYPISTS = 4
KEYS_IN_A_ROW = (5, 40)
"""Keys that one typist presses before it is another's turn."""

KEYS_PER_EVENT = 10
KEYS_PER_COMPARISON = 20
LASTING = (30, 150)
"""Keys that a full disk and the like last."""

HUNTED = 400
"""Keys for which a child that is to be killed is waited for."""

LAST_TRIES = 3
"""Requests in the end, of which one must be answered with a list: the first may find a model that rests."""

Json = dict[str, Any]
Tell = Callable[[int], None]


def chaos(
    place: Surroundings,
    sources: Sequence[Source],
    keys: int,
    *,
    seed: int = 0,
    command: Sequence[str] | None = None,
    tell: Tell = lambda _: None,
    patience: float | None = None,
) -> Chaos:
    """Types so many keys at a server, through all files again and again if need be.

    Args:
        place: the folders that may be harmed.
        sources: files to write.
        keys: to press.
        seed: of keys, events and their times.
        command: starts the server; None for the server itself.
        tell: told of the keys pressed, one time in a hundred.
        patience: seconds of silence after which the server counts as lost; None for the usual.

    Raises:
        ReplayError: there is nothing to type.
    """
    found = Chaos(seed)
    conversation = Conversation(
        command or place.command(), environment=place.environment(), folder=place.home, patience=patience
    )
    try:
        _Run(conversation, place, found, seed).all(islice(keys_of(sources, seed), keys), keys, tell)
    except LostError as error:
        found.died = str(error)
    finally:
        conversation.close()
        found.requests, found.answered = conversation.requests, conversation.answered
        found.errors = conversation.errors
        found.unanswered = sorted(conversation.outstanding.values())
    return found


def keys_of(sources: Sequence[Source], seed: int) -> Iterator[Key]:
    """Keys without end, of several typists at once, each with files of its own, so that many documents are open.

    Raises:
        ReplayError: no file is long enough to type in.
    """
    chance = random.Random(f"typists {seed}")
    parts = [part for first in range(TYPISTS) if (part := _long_enough(sources[first::TYPISTS]))]
    typists = [_endless(part, seed) for part in parts or [sources]]
    while True:
        yield from islice(chance.choice(typists), chance.randint(*KEYS_IN_A_ROW))


def _long_enough(sources: Sequence[Source]) -> Sequence[Source]:
    """The files, if there is one among them to type in."""
    try:
        Typist(sources)
    except ReplayError:
        return ()
    return sources


def _endless(sources: Sequence[Source], seed: int) -> Iterator[Key]:
    for number in count(seed):
        yield from Typist(sources, number, passages=1)


class _Run:
    """One run: who types, and what happens meanwhile."""

    def __init__(self, conversation: Conversation, place: Surroundings, found: Chaos, seed: int) -> None:
        self._conversation = conversation
        self._place = place
        self._found = found
        self._random = random.Random(f"chaos {seed}")
        self._client = Client(conversation, found, self._random)
        self._deck: list[tuple[str, Callable[[Open], None]]] = []
        self._lasting: list[tuple[int, sandbox.Undo]] = []
        self._hunting_until = -1
        self._last_event = "the start"
        self._closed: Open

    def all(self, keys: Iterator[Key], most: int, tell: Tell) -> None:
        """From the handshake to the server's end.

        Raises:
            LostError: the server died or stopped answering on the way.
        """
        client = self._client
        client.begin([root.as_uri() for root in self._place.roots])
        seen = set()
        quarters: list[list[float]] = [[], [], [], []]
        for number, key in enumerate(keys):
            uri = self._place.path_of(key.source).as_uri()
            seen.add(uri)
            document = client.type(uri, key.source.language, key.text, key.offset)
            if number == 0:
                client.wait_until_ready()
                client.behaves = False
            self._closed = document
            self._found.keys, self._found.documents = number + 1, len(seen)
            self._press(document)
            self._end_what_is_over(number)
            if self._random.random() < 1 / KEYS_PER_EVENT:
                self._something_happens(document)
            if number % KEYS_PER_COMPARISON == 0:
                client.compare(self._last_event)
                memory = resident_mb(self._conversation.process.pid)
                quarters[4 * number // most].extend([] if memory is None else [memory])
            if number % max(1, most // 100) == 0:
                tell(number)
        self._found.resident_mb = [max(part) for part in quarters if part]
        self._end()

    def _press(self, document: Open) -> None:
        """Asks at the cursor; mostly the answer is waited for, as by who types slowly."""
        asked = self._client.complete(document, trigger=1 if self._random.random() < 0.03 else 2)
        if self._random.random() < 0.85:
            self._conversation.result_of(asked)
        else:
            self._conversation.receive_waiting()

    def _end_what_is_over(self, number: int) -> None:
        for until, undo in [each for each in self._lasting if each[0] <= number]:
            undo()
            self._lasting.remove((until, undo))
        if number <= self._hunting_until and sandbox.kill_child(self._conversation.process.pid):
            self._found.events["memory's child killed"] += 1
            self._hunting_until = -1

    def _something_happens(self, document: Open) -> None:
        if not self._deck:
            self._deck = self._new_deck()
        name, event = self._deck.pop()
        self._last_event = name
        try:
            event(document)
        except sandbox.ImpossibleError:
            name = f"{name}: impossible here"
        self._found.events[name] += 1

    def _new_deck(self) -> list[tuple[str, Callable[[Open], None]]]:
        """Every kind of event, the lighter ones more than once, in a random order: so none is left out."""
        kinds: list[tuple[int, str, Callable[[Open], None]]] = [
            (1, "models restarted", self._restart),
            (1, "disk full", lambda _: self._lasts(sandbox.fill_disk(self._conversation.process.pid))),
            (1, "state folder is a file", lambda _: self._lasts(sandbox.block_state(self._place))),
            (1, "cache removed", lambda _: sandbox.remove_cache(self._place)),
            (1, "model touched", lambda _: sandbox.touch_model(self._place)),
            (1, "model replaced by a copy", lambda _: sandbox.replace_model(self._place)),
            (1, "counts saved", self._save_counts),
            (2, "document closed", lambda document: self._client.close(document.uri)),
            (2, "document opened again", self._reopen),
            (1, "document opened oddly", self._open_oddly),
            (2, "file saved", self._save),
            (3, "request cancelled", self._cancel),
            (2, "requests superseded", self._supersede),
            (3, "configuration changed", self._configure),
            (5, "odd request", self._odd_request),
            (4, "odd notification", self._odd_notification),
            (2, "broken message", lambda _: self._random.choice(odd_messages.broken(self._conversation))()),
            (6, "odd edit", self._odd_edit),
        ]
        deck = [(name, event) for times, name, event in kinds for _ in range(times)]
        self._random.shuffle(deck)
        return deck

    def _lasts(self, undo: sandbox.Undo) -> None:
        self._lasting.append((self._found.keys + self._random.randint(*LASTING), undo))

    def _restart(self, _: Open) -> None:
        """Opens the models anew; memory is then read anew too, by a child that is killed once it is there."""
        self._conversation.ask("workspace/executeCommand", {"command": "cg2ls.server.restart"})
        self._hunting_until = self._found.keys + HUNTED

    def _save_counts(self, _: Open) -> None:
        self._conversation.ask("workspace/executeCommand", {"command": "cg2ls.server.stats"})

    def _reopen(self, document: Open) -> None:
        if self._random.random() < 0.5:
            self._client.close(document.uri)
        self._client.open(document)

    def _open_oddly(self, _: Open) -> None:
        """A document that is nobody's: what becomes of it does not count, what it does to others does."""
        uri = f"file:///odd/{self._random.randrange(4)}.py"
        item = {"uri": uri, "languageId": "python", "version": 1, "text": "def f(x):\n    return "}
        item |= self._random.choice(
            [{"languageId": None}, {"version": None}, {"text": None}, {"languageId": "no such language"}]
        )
        item = {
            name: value for name, value in item.items() if value is not None or self._random.random() < 0.5
        }
        self._conversation.tell("textDocument/didOpen", {"textDocument": item})
        position = {"line": 1, "character": 11}
        for _times in range(3):
            params = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 2}}
            self._conversation.result_of(self._conversation.ask(odd_messages.INLINE, params))
        self._conversation.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _save(self, document: Open) -> None:
        path = self._place.path_at(document.uri)
        path.write_text(document.text, encoding="utf-8", newline="\n")
        self._conversation.tell("textDocument/didSave", {"textDocument": {"uri": document.uri}})

    def _cancel(self, document: Open) -> None:
        asked = self._client.complete(document)
        self._conversation.tell("$/cancelRequest", {"id": asked})
        if self._random.random() < 0.3:
            self._conversation.tell("$/cancelRequest", {"id": asked})

    def _supersede(self, document: Open) -> None:
        for _ in range(self._random.randint(2, 6)):
            self._client.complete(document)

    def _configure(self, _: Open) -> None:
        self._client.settings = odd_messages.settings(self._random.randrange(100))
        self._conversation.tell("workspace/didChangeConfiguration", {"settings": None})

    def _odd_request(self, document: Open) -> None:
        method, params = self._random.choice(odd_messages.requests(document))
        named = self._random.random() < 0.3
        identity = f"odd-{self._conversation.requests}" if named else None
        self._conversation.ask(method, params, identity=identity)

    def _odd_notification(self, _: Open) -> None:
        self._conversation.tell(*self._random.choice(odd_messages.notifications()))

    def _odd_edit(self, document: Open) -> None:
        at = self._random.randint(0, len(document.text))
        text = (
            document.text[:at] + self._random.choice(["é", "🦉\n", "x = 1\n", ""]) + document.text[at + 3 :]
        )
        edits = odd_messages.edits(document, text)
        which = self._random.randrange(len(edits))
        params = edits[which]()
        self._conversation.tell("textDocument/didChange", params)
        document.offset = min(document.offset, len(document.text))
        self._client.compare(f"odd edit {which}")

    def _end(self) -> None:
        """Nothing goes wrong any more: everything is answered, all texts are known, and the model answers."""
        client, conversation = self._client, self._conversation
        for _, undo in self._lasting:
            undo()
        client.behaves, client.settings = True, {}
        conversation.tell("workspace/didChangeConfiguration", {"settings": None})
        conversation.settle()
        client.compare("the end")
        document = next(reversed(client.mirror.documents.values()), None) or client.open(self._closed)
        answer: Json = {}
        for _ in range(LAST_TRIES):
            client.wait_until_ready()
            answer = conversation.result_of(client.complete(document, trigger=1))
            if isinstance(answer.get("result"), dict):
                break
        else:
            self._found.refused.append(f"the last request got {answer}; the server says {client.state}")
        conversation.call("shutdown", None)
        conversation.tell("exit", None)
        try:
            status = conversation.process.wait(conversation.patience)
        except subprocess.TimeoutExpired:
            conversation.process.send_signal(signal.SIGTERM)
            raise LostError("The server did not leave after `exit`.") from None
        if status:
            raise LostError(f"The server left with status {status}.")
