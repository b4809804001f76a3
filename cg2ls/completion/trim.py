r"""Rules that cut a model's answer down to what is worth showing.

Every rule takes the text and what it needs of its surroundings, and gives back the beginning of the text
that it lets pass. Line ends are `\n`.
"""

from __future__ import annotations

import re

from cg2ls.completion.brackets import CLOSERS, OPENERS, unbalanced

TAB_WIDTH = 4
"""Columns a tab counts for when indentation is compared."""

REST_MATTERS = 3
"""A piece of the line right of the cursor this long is taken for a repetition wherever it appears."""

_MARK = re.compile(r"<\|[\w+#.-]+\|>|<eom>|<sep>|<mask_\d+>|<dummy_\d+>|\ufffd|\x00")


def indentation(line: str) -> int:
    """Width of a line's leading blanks, in columns."""
    expanded = line.expandtabs(TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())


def cut_at_mark(text: str) -> str:
    """Ends where another document would begin, or where bytes are no text."""
    found = _MARK.search(text)
    return text[: found.start()] if found else text


def first_line(text: str) -> str:
    """Ends at the first line end."""
    return text.partition("\n")[0]


def first_lines(text: str, most: int | None) -> str:
    """Ends after `most` lines; the end of the line that the text begins on is not one."""
    skipped = text.startswith("\n")
    return text if most is None else "\n".join(text.split("\n")[: most + skipped])


def cut_at_blank_lines(text: str, allowed: int) -> str:
    """Ends before the first run of more than `allowed` blank lines that follows something written.

    A blank line counts once it is ended.
    """
    lines = text.split("\n")
    written = last = 0
    for number, line in enumerate(lines[:-1]):
        if line.strip():
            written, last = written + 1, number
        elif written and number - last > allowed:
            return "\n".join(lines[: last + 1])
    return text


def cut_at_dedent(text: str, line_before: str) -> str:
    """Ends before the first line that is not part of the block at the cursor.

    On a blank line the block is what is indented as deep as the cursor, or as the first line written if the
    cursor stands at the margin. After a line's beginning it is what is indented deeper than that line, and
    the line that closes the bracket at its end.
    """
    lines = text.split("\n")
    margin = indentation(line_before + "x")
    blank = not line_before.strip()
    base = margin if blank else margin + 1
    if blank and margin == 0:
        base = next((indentation(line) for line in lines if line.strip()), 0)
    for number, line in enumerate(lines[1:], 1):
        if not line.strip() or indentation(line) >= base:
            continue
        if not blank and _closes(line, line_before + lines[0], margin):
            return "\n".join(lines[: number + 1])
        return "\n".join(lines[:number])
    return text


def _closes(line: str, opening: str, margin: int) -> bool:
    """Whether a line, back at the margin, closes what the opening line ends with."""
    return (
        opening.rstrip().endswith(tuple(OPENERS))
        and indentation(line) == margin
        and line.lstrip()[0] in CLOSERS
    )


def cut_at_repeated_line(text: str, line_before: str, following_line: str, *, ended: bool) -> str:
    """Ends before a line that stands right below the cursor already.

    Args:
        text: what was generated.
        line_before: the cursor's line up to the cursor.
        following_line: the next line of the document with anything on it.
        ended: whether the last line of the text is whole.
    """
    if not following_line:
        return text
    lines = text.split("\n")
    whole = len(lines) if ended else len(lines) - 1
    for number in range(whole):
        line = (line_before + lines[0] if number == 0 else lines[number]).rstrip()
        if line == following_line:
            return "\n".join(lines[:number])
    return text


def cut_at_rest_of_line(text: str, line_after: str, *, ended: bool) -> str:
    """Ends where the text begins to repeat the code right of the cursor.

    Args:
        text: what was generated, on one line.
        line_after: the cursor's line from the cursor on.
        ended: whether the text is whole, so that its end may be the beginning of the repetition.
    """
    for rest in (line_after.rstrip(), line_after.strip()):
        at = text.find(rest) if len(rest.strip()) >= REST_MATTERS else -1
        if at < 0 and ended:
            at = _overlap(text, rest)
        if at >= 0:
            return text[:at]
    return text


def _overlap(text: str, rest: str) -> int:
    """Offset where the text's end is the beginning of `rest`; -1 if that may be chance."""
    for length in range(min(len(rest), len(text)), 0, -1):
        at = len(text) - length
        if not text.endswith(rest[:length]):
            continue
        if length >= REST_MATTERS or (rest[0] in CLOSERS and at in unbalanced(text).unopened):
            return at
    return -1


def cut_unopened_closers(text: str, before: str) -> str:
    """Drops closers from the text's end that close nothing.

    Args:
        text: what was generated.
        before: the document before the cursor, or enough of it.
    """
    spare = unbalanced(text).unopened[len(unbalanced(before).open) :]
    if spare and not text[spare[0] :].strip("".join(CLOSERS) + " \t\n,;"):
        return text[: spare[0]]
    return text


def drop_unfinished_line(text: str) -> str:
    """Drops the last of several lines."""
    return text.rpartition("\n")[0] or text
