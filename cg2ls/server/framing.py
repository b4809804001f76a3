"""Messages cut out of a stream of bytes, as LSP's base protocol frames them; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST_HEADER = 8 * 1024
LONGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes; a longer message is passed over without being kept."""

_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)content-length:[ \t]*(\d{1,15})[ \t]*\r?$")
_LENGTH_ALONE = re.compile(
    rb"(?i)\s*(?:[a-z-]+:[^\r\n]*\r?\n)*content-length:[ \t]*\d+[ \t]*(?:\r?\n[a-z-]+:[^\r\n]*)*"
)


@dataclass(frozen=True)
class Damage:
    """What was passed over, in one sentence."""

    why: str


@dataclass
class Frames:
    """Takes bytes as they come and gives messages back as soon as they are whole.

    After damage it goes on with the next header that gives a length.
    """

    _buffer: bytearray = field(default_factory=bytearray)
    _body: int | None = None
    _skip: int = 0

    def feed(self, data: bytes) -> Iterator[bytes | Damage]:
        """The bodies of the messages that these bytes complete, and what was damaged between them."""
        self._buffer += data
        while True:
            if self._skip:
                passed = min(self._skip, len(self._buffer))
                del self._buffer[:passed]
                self._skip -= passed
                if self._skip:
                    return
            if self._body is None:
                found = self._header()
                if found is None:
                    return
                yield from found
            elif len(self._buffer) >= self._body:
                body = bytes(self._buffer[: self._body])
                del self._buffer[: self._body]
                self._body = None
                yield body
            else:
                return

    def _header(self) -> list[Damage] | None:
        """Takes a header off the buffer; None if it is not whole yet."""
        end = _END.search(self._buffer)
        if end is None:
            if len(self._buffer) <= LONGEST_HEADER:
                return None
            del self._buffer[: -LONGEST_HEADER // 2]
            return [Damage("A header had no end.")]
        header = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        lengths = _LENGTH.findall(header)
        if not lengths:
            return [Damage("A header had no Content-Length.")]
        length = int(lengths[-1])
        if length > LONGEST_MESSAGE:
            self._skip = length
            return [Damage(f"A message of {length} bytes is longer than {LONGEST_MESSAGE}.")]
        self._body = length
        return (
            [] if _LENGTH_ALONE.fullmatch(header) else [Damage("Bytes before a header belong to no message.")]
        )
