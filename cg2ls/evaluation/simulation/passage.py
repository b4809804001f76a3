"""One passage of a file while a simulated user types it, key by key, in an editor that inserts closers.

The editor closes brackets and quotes at once, types over what it closed, indents new lines and splits a line
between brackets in three. So the screen shows more than the typed text: `left` of the cursor is the typed text,
`right` of it is text that the editor inserted ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Stroke = Literal["type", "over", "enter", "indent", "dedent", "move", "delete", "slip", "backspace"]
"""Effects of a key. `type` types a character, `over` types over an inserted closer, `enter` starts a line. `indent` and
`dedent` change the indentation by one step, `move` goes down to a closer below. `delete` removes text that the editor
should not have inserted, `slip` types a wrong character, and `backspace` deletes it."""

DEDENTING_STATEMENTS = ("return", "raise", "pass", "break", "continue")
"""Statements after which an editor begins the next line one step further left."""


CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
"""Text that an editor inserts after a typed bracket or quote."""

QUOTES = "\"'"

STRING_PREFIX_CHARS = frozenset("rRbBuUfF")
"""Letters that a string may begin with, so that a quote after them opens it."""


@dataclass(frozen=True)
class AutoInserted:
    """Text that the editor inserted after the cursor: a closer, or a line break before one.

    Attributes:
        text: the inserted text.
        at: the closer's offset in the target; None if the target never closes what was opened.
        is_line_break: whether this is the line break, and the closer follows.
    """

    text: str
    at: int | None
    is_line_break: bool = False


@dataclass
class Passage:
    r"""A passage that is being written.

    Attributes:
        target: the finished passage. It begins with the `\n` of the Enter that begins it.
        line_above: the line before the passage.
        unit: one step of indentation.
        comment: the start of a comment.
        done: characters of the target before the cursor.
        indent: indentation of the cursor's line that is not, or not yet, the target's.
        slip: a wrong character before the cursor.
        ahead: text that the editor inserted after the cursor, the nearest first.
    """

    target: str
    line_above: str = ""
    unit: str = "    "
    comment: str = "#"
    done: int = 0
    indent: str = ""
    slip: str = ""
    ahead: list[AutoInserted] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.target.startswith("\n") or self.target.endswith("\n"):
            raise ValueError("a passage begins with a line end and does not end with one")
        self.pairs = find_closers(self.target, self.comment)

    @property
    def left(self) -> str:
        """Text of the passage before the cursor."""
        return self.target[: self.done] + self.indent + self.slip

    @property
    def right(self) -> str:
        """Text that the editor inserted after the cursor."""
        return "".join(entry.text for entry in self.ahead)

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return (self.line_above + self.left).rpartition("\n")[2]

    @property
    def finished(self) -> bool:
        """Whether the passage equals its target."""
        return self.done == len(self.target) and not (self.indent or self.slip or self.ahead)

    def press_next_key(self) -> Stroke:
        """Type the next key towards the target."""
        stroke = self._press_key()
        self._count_indent()
        return stroke

    def press_wrong_key(self, char: str) -> Stroke:
        """Type a wrong key; the next key deletes it."""
        self.slip = char
        return "slip"

    def advance(self, offset: int) -> None:
        """Write until this many characters of the target are before the cursor."""
        while self.done < offset:
            self.press_next_key()

    def accepts(self, text: str, replace_length: int) -> bool:
        """Return whether inserting a text leaves the beginning of the target before the cursor.

        Args:
            text: text to be inserted at the cursor.
            replace_length: characters after the cursor that the text replaces.
        """
        reached = self.left + text
        return self.target.startswith(reached) and replace_length == sum(
            len(entry.text) for entry in self._find_passed(len(reached))
        )

    def insert(self, text: str, replace_length: int) -> None:
        """Insert a text that `accepts` allows."""
        reached = len(self.left) + len(text)
        assert self.accepts(text, replace_length)
        del self.ahead[: len(self._find_passed(reached))]
        self.done, self.indent = reached, ""
        self._count_indent()

    def _find_passed(self, reached: int) -> list[AutoInserted]:
        return [entry for entry in self.ahead if entry.at is not None and entry.at < reached]

    def _press_key(self) -> Stroke:
        if self.slip:
            self.slip = ""
            return "backspace"
        if self._begins_line and self.indent != (wanted := self._target_indent()):
            return self._reindent(wanted)
        if self.ahead and (stroke := self._handle_inserted(self.ahead[0])):
            return stroke
        char = self.target[self.done]
        if char == "\n":
            return self._enter()
        in_string = self.ahead and self.ahead[0].text in QUOTES
        if self.done in self.pairs and not in_string:
            self.ahead.insert(0, AutoInserted(CLOSERS[char], self.pairs[self.done]))
        self.done += 1
        return "type"

    @property
    def _begins_line(self) -> bool:
        """Whether the next character of the target begins a line that is not blank."""
        return 0 < self.done < len(self.target) and (
            self.target[self.done - 1] == "\n" != self.target[self.done]
        )

    def _handle_inserted(self, entry: AutoInserted) -> Stroke | None:
        """Press a key for the inserted text after the cursor; None if no such key is due."""
        over = entry.is_line_break and not self.indent and self._is_next(entry)
        wrong = entry.at is None or (entry.is_line_break and self.done == entry.at)
        if not (over or wrong or self.done == entry.at):
            return None
        del self.ahead[0]
        if wrong:
            return "delete"
        self.done += len(entry.text)
        return "move" if over else "over"

    def _is_next(self, entry: AutoInserted) -> bool:
        return self.target.startswith(entry.text, self.done) and self.done + len(entry.text) == entry.at

    def _enter(self) -> Stroke:
        line = self.line_before
        indent_of_line = line[: len(line) - len(line.lstrip())]
        closer = self.ahead[0] if self.ahead else None
        if (
            closer
            and not closer.is_line_break
            and line
            and CLOSERS.get(line[-1]) == closer.text
            and line[-1] in "([{"
        ):
            self.ahead.insert(0, AutoInserted("\n" + indent_of_line, closer.at, is_line_break=True))
        self.done += 1
        self.indent = self._indent_after(line.strip(), indent_of_line)
        return "enter"

    def _indent_after(self, line: str, indent_of_line: str) -> str:
        """Return the editor's indentation of the line after this one."""
        if line.endswith((":", "(", "[", "{")):
            return indent_of_line + self.unit
        dedents = line.split(" ", 1)[0].split("(", 1)[0] in DEDENTING_STATEMENTS
        return indent_of_line.removesuffix(self.unit) if dedents else indent_of_line

    def _target_indent(self) -> str:
        """Return the indentation of the target's line that begins at the cursor."""
        end = self.done
        while end < len(self.target) and self.target[end] in " \t":
            end += 1
        return self.target[self.done : end]

    def _reindent(self, wanted: str) -> Stroke:
        if wanted.startswith(self.indent):
            self.indent = wanted[: len(self.indent) + len(self.unit)]
            return "indent"
        self.indent = self.indent[: -len(self.unit)]
        return "dedent"

    def _count_indent(self) -> None:
        """Count indentation as written once it equals the target's; on a blank line this depends on the next text."""
        if self._begins_line and self.indent == (wanted := self._target_indent()):
            self.done += len(wanted)
            self.indent = ""


def find_closers(code: str, comment: str = "#") -> dict[int, int | None]:
    """Return the offset of the closer of each bracket and quote that an editor closes at once.

    Brackets are closed everywhere. Quotes are not closed in comments, strings and words, nor where three are in a row:
    Visual Studio Code does the same.

    Args:
        code: some lines.
        comment: the start of a comment.

    Returns:
        Offsets by offset; None for what the code never closes, such as a bracket in a string.
    """
    scan = _Scan(code, comment)
    while scan.position < len(code):
        scan.step()
    return scan.found


@dataclass
class _Scan:
    code: str
    comment: str
    position: int = 0
    found: dict[int, int | None] = field(default_factory=dict)
    brackets: list[int] = field(default_factory=list)
    floor: int = 0
    quote: str = ""
    quote_at: int = 0
    in_comment: bool = False

    def step(self) -> None:
        char = self.code[self.position]
        if char == "\n":
            self._line_end()
        elif self.quote:
            self._in_string(char)
        elif not self.in_comment and self.code.startswith(self.comment, self.position):
            self.in_comment = True
        elif char in QUOTES and not self.in_comment:
            self._open_string(char)
        self._bracket(char)
        self.position += 1

    def _line_end(self) -> None:
        self.in_comment = False
        if len(self.quote) == 1:
            self._leave_string()

    def _in_string(self, char: str) -> None:
        if char == "\\" and self.code[self.position + 1 : self.position + 2] != "\n":
            self.position += 1
        elif self.code.startswith(self.quote, self.position):
            if len(self.quote) == 1:
                self.found[self.quote_at] = self.position
            self.position += len(self.quote) - 1
            self._leave_string()

    def _leave_string(self) -> None:
        del self.brackets[self.floor :]
        self.floor, self.quote = 0, ""

    def _open_string(self, char: str) -> None:
        triple = self.code.startswith(char * 3, self.position)
        if not triple and not self._may_open():
            return
        self.quote = char * 3 if triple else char
        self.quote_at, self.floor = self.position, len(self.brackets)
        if triple:
            self.position += 2
        else:
            self.found[self.position] = None

    def _may_open(self) -> bool:
        """Return whether a quote here follows no word, or one that is the prefix of a string."""
        start = self.position
        while start and (self.code[start - 1].isalnum() or self.code[start - 1] == "_"):
            start -= 1
        word = self.code[start : self.position]
        return len(word) <= 2 and set(word) <= STRING_PREFIX_CHARS

    def _bracket(self, char: str) -> None:
        if char in CLOSERS and char not in QUOTES:
            self.found[self.position] = None
            self.brackets.append(self.position)
        elif len(self.brackets) > self.floor and CLOSERS[self.code[self.brackets[-1]]] == char:
            self.found[self.brackets.pop()] = self.position
