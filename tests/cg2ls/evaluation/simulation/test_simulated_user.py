"""The simulated user."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cg2ls.evaluation.simulation.headless_editor import TimedAnswer
from cg2ls.evaluation.simulation.simulated_user import sample_passages, write_passage
from cg2ls.evaluation.simulation.sources import SourceFile
from cg2ls.evaluation.simulation.typist import PartialFile


@dataclass
class Oracle:
    """Shows the next characters of the true text, with a wrong end if requested."""

    truth: str
    max_chars: int = 1000
    tail: str = ""

    def ask(self, source: SourceFile, text: str, offset: int) -> TimedAnswer:
        before = text[:offset]
        rest = self.truth[offset : offset + self.max_chars] if self.truth.startswith(before) else ""
        return TimedAnswer(rest and rest + self.tail, 0, 0.0, 0.0, None)


def effort_with(code: str, **oracle):
    source = SourceFile("r", "a.py", "python", "# head\n" + code)
    file = PartialFile.of(source, [range(1, 1 + code.count("\n") + 1)])
    effort = write_passage(file, Oracle(source.text, **oracle))
    assert file.text == source.text
    return effort


def test_without_suggestions_every_key_is_pressed():
    effort = effort_with("abc = de", max_chars=0)
    assert effort.alone == effort.keys == 9
    assert (effort.accepted, effort.shown, effort.looks) == (0, 0, 8)


def test_correct_suggestion_is_accepted_with_one_key():
    effort = effort_with("abc = de\nfg = 1")
    assert effort.keys == 2
    assert effort.accepted == 1


def test_only_the_right_first_line_is_accepted():
    effort = effort_with("abc = de", tail="\nwrong")
    assert (effort.keys, effort.accepted, effort.useless) == (2, 1, 0)


def test_right_words_are_accepted_one_by_one():
    effort = effort_with("name = other_name", max_chars=9, tail="zzz")
    assert effort.accepted == 2, "`name` and ` =`; ` ot` is no more than a part of a word"
    assert effort.keys < effort.alone


def test_a_suggestion_that_saves_almost_nothing_is_not_accepted():
    effort = effort_with("ab + cd", max_chars=2, tail="?")
    assert effort.accepted == 0
    assert effort.useless == effort.shown


def test_passages_are_sampled_from_files_with_lines(shop):
    files = sample_passages([shop], 5)
    assert all(3 - 2 <= file.passages[0].target.count("\n") <= 8 for file in files)
    assert sample_passages([shop], 5)[2].text == files[2].text
    with pytest.raises(Exception, match="No file has"):
        sample_passages([SourceFile("r", "a.py", "python", "x")], 1)
