"""LSP's base protocol: messages cut out of a stream of bytes; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_HEADER_BYTES = 8 * 1024
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""A longer message is skipped without being stored."""

_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)content-length:[ \t]*(\d{1,15})[ \t]*\r?$")
_LENGTH_ALONE = re.compile(
    rb"(?i)\s*(?:[a-z-]+:[^\r\n]*\r?\n)*content-length:[ \t]*\d+[ \t]*(?:\r?\n[a-z-]+:[^\r\n]*)*"
)


@dataclass(frozen=True)
class Damage:
    """Bytes that were skipped, described in one sentence."""

    why: str


@dataclass
class Frames:
    """Decoder that takes bytes as they arrive and yields messages as soon as they are complete.

    After damage it continues at the next header that gives a length.
    """

    _buffer: bytearray = field(default_factory=bytearray)
    _body: int | None = None
    _skip: int = 0

    def feed(self, data: bytes) -> Iterator[bytes | Damage]:
        """Yield the bodies of the messages that these bytes complete, and the damage between them."""
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
        """Take a header off the buffer; return None if it is not complete yet."""
        end = _END.search(self._buffer)
        if end is None:
            if len(self._buffer) <= MAX_HEADER_BYTES:
                return None
            del self._buffer[: -MAX_HEADER_BYTES // 2]
            return [Damage("A header had no end.")]
        header = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        lengths = _LENGTH.findall(header)
        if not lengths:
            return [Damage("A header had no Content-Length.")]
        length = int(lengths[-1])
        if length > MAX_MESSAGE_BYTES:
            self._skip = length
            return [Damage(f"A message of {length} bytes is longer than {MAX_MESSAGE_BYTES}.")]
        self._body = length
        return (
            [] if _LENGTH_ALONE.fullmatch(header) else [Damage("Bytes before a header belong to no message.")]
        )
