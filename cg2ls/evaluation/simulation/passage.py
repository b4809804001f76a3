r"""One passage of a file while somebody writes it, key by key, in an editor that helps.

The editor closes brackets and quotes at once, types over what it closed, indents new lines and splits a line
between brackets in three. What is on the screen is therefore not only the text up to the cursor: `left` of it
stands what was typed, `right` of it what the editor wrote ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Stroke = Literal["type", "over", "enter", "indent", "dedent", "move", "delete", "slip", "backspace"]
"""What a key does: a character; typing over a closer that stands there; Enter; a step of indentation more or
less; going down to a closer below; deleting what the editor should not have written; a wrong character, and
taking it back."""

DEDENTING = ("return", "raise", "pass", "break", "continue")
"""Statements after which an editor begins the next line one step further left."""


@dataclass(frozen=True)
class Ahead:
    """Text the editor wrote right of the cursor: a closer, or a line break in front of one.

    Attributes:
        text: what stands there.
        at: the closer's offset in the target; None if the target never closes what was opened.
        breaks: whether this is the line break, and the closer follows.
    """

    text: str
    at: int | None
    breaks: bool = False


@dataclass
class Passage:
    r"""A passage that is being written.

    Attributes:
        target: what it will be. Begins with the `\n` of the Enter that begins it.
        above: the line it is begun behind.
        unit: one step of indentation.
        comment: what begins a comment.
        done: characters of the target that stand left of the cursor.
        indent: indentation of the cursor's line that is not, or not yet, the target's.
        slip: a wrong character that stands left of the cursor.
        ahead: what the editor wrote right of the cursor, the nearest first.
    """

    target: str
    above: str = ""
    unit: str = "    "
    comment: str = "#"
    done: int = 0
    indent: str = ""
    slip: str = ""
    ahead: list[Ahead] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.target.startswith("\n") or self.target.endswith("\n"):
            raise ValueError("a passage begins with a line end and does not end with one")
        self.pairs = closed_at(self.target, self.comment)

    @property
    def left(self) -> str:
        """What stands left of the cursor."""
        return self.target[: self.done] + self.indent + self.slip

    @property
    def right(self) -> str:
        """What the editor wrote right of the cursor."""
        return "".join(entry.text for entry in self.ahead)

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return (self.above + self.left).rpartition("\n")[2]

    @property
    def finished(self) -> bool:
        """Whether the passage is what it was to be."""
        return self.done == len(self.target) and not (self.indent or self.slip or self.ahead)

    def step(self) -> Stroke:
        """Presses the next key towards the target."""
        stroke = self._stroke()
        self._settle()
        return stroke

    def slip_with(self, char: str) -> Stroke:
        """Presses a wrong key; the next step takes it back."""
        self.slip = char
        return "slip"

    def advance(self, offset: int) -> None:
        """Writes until so much of the target stands left of the cursor."""
        while self.done < offset:
            self.step()

    def fits(self, text: str, replace_length: int) -> bool:
        """Whether inserting a text leaves the beginning of the target left of the cursor.

        Args:
            text: to be inserted at the cursor.
            replace_length: characters right of the cursor that it takes the place of.
        """
        reached = self.left + text
        return self.target.startswith(reached) and replace_length == sum(
            len(entry.text) for entry in self._passed(len(reached))
        )

    def insert(self, text: str, replace_length: int) -> None:
        """Inserts a text that fits."""
        reached = len(self.left) + len(text)
        assert self.fits(text, replace_length)
        del self.ahead[: len(self._passed(reached))]
        self.done, self.indent = reached, ""
        self._settle()

    def _passed(self, reached: int) -> list[Ahead]:
        return [entry for entry in self.ahead if entry.at is not None and entry.at < reached]

    def _stroke(self) -> Stroke:
        if self.slip:
            self.slip = ""
            return "backspace"
        if self._begins_line and self.indent != (wanted := self._wanted()):
            return self._reindent(wanted)
        if self.ahead and (stroke := self._meets(self.ahead[0])):
            return stroke
        char = self.target[self.done]
        if char == "\n":
            return self._enter()
        in_string = self.ahead and self.ahead[0].text in QUOTES
        if self.done in self.pairs and not in_string:
            self.ahead.insert(0, Ahead(PARTNERS[char], self.pairs[self.done]))
        self.done += 1
        return "type"

    @property
    def _begins_line(self) -> bool:
        """Whether a line that has something on it is to be begun."""
        return 0 < self.done < len(self.target) and (
            self.target[self.done - 1] == "\n" != self.target[self.done]
        )

    def _meets(self, entry: Ahead) -> Stroke | None:
        """What to do about the text right of the cursor, if it is time to do anything."""
        over = entry.breaks and not self.indent and self._stands_next(entry)
        wrong = entry.at is None or (entry.breaks and self.done == entry.at)
        if not (over or wrong or self.done == entry.at):
            return None
        del self.ahead[0]
        if wrong:
            return "delete"
        self.done += len(entry.text)
        return "move" if over else "over"

    def _stands_next(self, entry: Ahead) -> bool:
        return self.target.startswith(entry.text, self.done) and self.done + len(entry.text) == entry.at

    def _enter(self) -> Stroke:
        line = self.line_before
        deep = line[: len(line) - len(line.lstrip())]
        closer = self.ahead[0] if self.ahead else None
        if (
            closer
            and not closer.breaks
            and line
            and PARTNERS.get(line[-1]) == closer.text
            and line[-1] in "([{"
        ):
            self.ahead.insert(0, Ahead("\n" + deep, closer.at, breaks=True))
        self.done += 1
        self.indent = self._indent_after(line.strip(), deep)
        return "enter"

    def _indent_after(self, line: str, deep: str) -> str:
        """What the editor indents the line after this one with."""
        if line.endswith((":", "(", "[", "{")):
            return deep + self.unit
        dedents = line.split(" ", 1)[0].split("(", 1)[0] in DEDENTING
        return deep.removesuffix(self.unit) if dedents else deep

    def _wanted(self) -> str:
        """Indentation of the target's line that begins where the cursor is."""
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

    def _settle(self) -> None:
        """Counts indentation as written once it is the target's; on a blank line it waits for what follows."""
        if self._begins_line and self.indent == (wanted := self._wanted()):
            self.done += len(wanted)
            self.indent = ""


PARTNERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
"""What an editor writes behind what is typed."""

QUOTES = "\"'"
PREFIXES = frozenset("rRbBuUfF")
"""Letters that a string may begin with, so that a quote behind them opens it."""


def closed_at(code: str, comment: str = "#") -> dict[int, int | None]:
    """Offset of what closes each bracket and quote that an editor closes at once.

    Brackets are closed everywhere, quotes neither in comments, strings and words nor where three stand in a
    row: so does Visual Studio Code.

    Args:
        code: some lines.
        comment: what begins a comment.

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
        """Whether a quote here follows no word, or one that is a string's prefix."""
        start = self.position
        while start and (self.code[start - 1].isalnum() or self.code[start - 1] == "_"):
            start -= 1
        word = self.code[start : self.position]
        return len(word) <= 2 and set(word) <= PREFIXES

    def _bracket(self, char: str) -> None:
        if char in PARTNERS and char not in QUOTES:
            self.found[self.position] = None
            self.brackets.append(self.position)
        elif len(self.brackets) > self.floor and PARTNERS[self.code[self.brackets[-1]]] == char:
            self.found[self.brackets.pop()] = self.position
