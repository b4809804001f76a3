"""The cost of a request is limited for every text; work is counted, never timed."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field

import pytest
import tree_sitter
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.completion.generate import MAX_ANSWER_BYTES
from cg2ls.completion.postprocess.repetition import _UNIT, _cut_repeated_pieces, cut_repetitions
from cg2ls.completion.prompt.cursor import MAX_LINE_CHARS, Cursor
from cg2ls.completion.syntax.grammar import MAX_PARSER_STEPS, ParserSteps, load_grammar
from cg2ls.completion.syntax.region import MAX_REGION_CHARS, find_region
from cg2ls.completion.syntax.unclosed import find_unbalanced
from cg2ls.engine.request import Timing

SIZE = 100_000
HOSTILE = {
    "one line": "x = [" + "alpha, beta + 3, " * (SIZE // 17),
    "one word": "x = " + "a" * SIZE,
    "one string": "x = '" + "a" * SIZE,
    "one number": "x = " + "9" * SIZE,
    "3,000 brackets": "x = f" + "(" * 3000,
    "brackets": "(" * SIZE,
    "closers": ")" * SIZE,
    "mixed brackets": "a[b(c{" * (SIZE // 6),
    "brackets on many lines": "a[b(c{\n" * (SIZE // 7),
    "escaped quotes": '"' + '\\"' * (SIZE // 2),
    "quotes": "'\"`" * (SIZE // 3),
    "continued lines": "'a\\\n" * (SIZE // 4),
    "deep nesting": "".join(" " * depth + "if x:\n" for depth in range(440)) + " " * 440,
    "one block": "def f():\n" + "    x = 1\n" * (SIZE // 10) + "    ",
    "one long list": "x = [\n" + "    1,\n" * (SIZE // 7) + "    ",
    "one docstring": 'def f():\n    """' + "words and words\n" * (SIZE // 16),
    "blanks": "x = 1\n" + " " * SIZE,
    "tabs": "x = 1\n" + "\t" * SIZE,
    "empty lines": "x = 1" + "\n" * SIZE,
    "blank lines": "if x:" + "\n    " * (SIZE // 5),
    "carriage returns": "x = 1" + "\r" * SIZE,
    "dashes": "# " + "-" * SIZE,
    "joined emoji": "x = '" + "\U0001f468\u200d" * (SIZE // 2),
    "marks on one letter": "x = 'e" + "\u0301" * SIZE,
    "right to left": "x = '" + "\u202e\u05d0" * (SIZE // 2),
    "nul": "x = '" + "\0" * SIZE,
    "lone surrogates": "x = '" + "\ud83d" * SIZE,
    "masks": "<mask_1><eom><|endoftext|>" * (SIZE // 26),
}
PLACES = {"end": 1.0, "middle": 0.5, "start": 0.0}

ANSWERS = ["alpha, beta)\n", "((((((((((((((((", '"""' * 20, "-" * 400, "a = 1\n    b = 2\n" * 40, ")" * 300]

MAX_LINES = 800_000
MAX_ENCODED = 120_000
MAX_PARSED = 40
MAX_PARSED_BYTES = 40 * 4 * (2 * MAX_REGION_CHARS + 2 * MAX_LINE_CHARS + MAX_ANSWER_BYTES)
MAX_REQUEST_STEPS = 30 * MAX_PARSER_STEPS


@dataclass
class Work:
    """Work done for one request.

    Attributes:
        lines: number of Python lines that ran.
        encoded: characters given to the tokenizer.
        parses: calls of tree-sitter's parser.
        parsed: bytes that the parser read.
        steps: steps that the parser reported.
    """

    lines: int = 0
    encoded: int = 0
    parses: int = 0
    parsed: int = 0
    steps: int = 0
    where: Counter[str] = field(default_factory=Counter)


class CountedParser:
    """Tree-sitter's parser, which counts its work."""

    def __init__(self, parser: tree_sitter.Parser, work: Work) -> None:
        self._parser, self._work = parser, work

    def reset(self) -> None:
        self._parser.reset()

    def parse(self, read, *old, encoding, progress_callback):
        self._work.parses += 1

        def counted(start, point):
            data = read(start, point)
            self._work.parsed += len(data)
            return data

        def stepped(offset, has_error):
            self._work.steps += 1
            return progress_callback(offset, has_error)

        return self._parser.parse(counted, *old, encoding=encoding, progress_callback=stepped)


def work_of(engine, text, offset, mode, monkeypatch, *, language="python") -> Work:
    """Complete, and return the work that it took."""
    work = Work()
    make, encode = tree_sitter.Parser, engine.tokenizer.encode

    def counted(code):
        work.encoded += len(code)
        return encode(code)

    def trace(frame, event, _):
        if "/cg2ls/" not in frame.f_code.co_filename.replace("\\", "/"):
            return None
        if event == "line":
            work.lines += 1
            work.where[frame.f_code.co_name] += 1
        return trace

    session = DocumentSession(engine, language, CompletionOptions(min_confidence=0))
    with monkeypatch.context() as patched:
        patched.setattr("tree_sitter.Parser", lambda grammar: CountedParser(make(grammar), work))
        patched.setattr(engine.tokenizer, "encode", counted)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            session.complete(text, offset, mode)
        finally:
            sys.settrace(before)
    return work


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_costs_more_than_the_limits(scripted, monkeypatch, name, place):
    text = HOSTILE[name]
    engine = scripted(ANSWERS[len(name) % len(ANSWERS)], anchor_max_tokens=128, context_length=1024)
    offset = int(len(text) * PLACES[place])
    for mode in ("invoked", "automatic"):
        work = work_of(engine, text, offset, mode, monkeypatch)
        assert work.lines < MAX_LINES, work.where.most_common(5)
        assert work.encoded < MAX_ENCODED
        assert work.parses < MAX_PARSED
        assert work.parsed < MAX_PARSED_BYTES
        assert work.steps < MAX_REQUEST_STEPS


@pytest.mark.parametrize("name", ["one line", "brackets", "blanks", "empty lines", "one block", "quotes"])
def test_a_text_ten_times_as_long_costs_no_more(scripted, monkeypatch, name):
    engine = scripted("alpha, beta)\n", anchor_max_tokens=128, context_length=1024)
    short = HOSTILE[name]
    once = work_of(engine, short, len(short), "invoked", monkeypatch)
    more = work_of(engine, short * 10, 10 * len(short), "invoked", monkeypatch)
    assert more.lines <= 1.2 * once.lines + 100
    assert more.encoded <= 1.2 * once.encoded + 100
    assert more.parsed <= 1.2 * once.parsed + 1000


def test_a_million_columns_are_cut_at_the_cursor():
    text = "x" * 1_000_000
    cursor = Cursor(text, 500_000)
    assert len(cursor.line_before) == len(cursor.line_after) == MAX_LINE_CHARS
    assert cursor.is_cut
    assert cursor.is_mid_line
    assert cursor.suffix_start == cursor.offset
    assert find_region(cursor) is None


@pytest.mark.parametrize("count", [MAX_LINE_CHARS - 1, MAX_LINE_CHARS])
def test_a_line_that_just_fits_is_not_cut(count):
    text = "above\n" + "x" * count + "\nbelow"
    cursor = Cursor(text, len("above\n") + count)
    assert cursor.line_before == "x" * count
    assert not cursor.is_cut
    assert not Cursor(text, len("above\n")).is_cut


def test_closers_beyond_the_kept_part_of_the_line_count_as_code():
    cursor = Cursor("f(" + ")" * 10_000, 2)
    assert cursor.is_mid_line


def test_a_long_line_above_and_below_is_left_out_of_the_region():
    text = "x" * 30_000 + "\na = 1\nb = \nc = 3\n" + "y" * 30_000
    region = find_region(Cursor(text, text.index("b = ") + 4))
    assert region.with_text("2") == "a = 1\nb = 2\nc = 3"


@pytest.mark.parametrize("unit", ["(", "a[b(c{", "class A:", "if x: ", "'\"", "lambda:", "f'{"])
def test_a_parse_with_too_many_steps_is_stopped_and_the_parser_stays_usable(unit):
    grammar = load_grammar("python")
    steps = ParserSteps(5)
    assert not grammar.parses(unit * 3000, steps)
    assert steps.are_used_up
    assert steps.left >= -1 - len(grammar.wheel.wrappers)
    assert grammar.parses("x = 1\n")


def test_ordinary_code_is_far_below_the_limit_of_steps():
    steps = ParserSteps()
    row = "    {'name': 'value', 'number': [1, 2, 3], 'other': call(a, b)},\n"
    assert load_grammar("python").parses("TABLE = [\n" + row * 120 + "]\n", steps)
    assert steps.left > MAX_PARSER_STEPS / 4


def test_code_that_takes_too_many_steps_has_no_node_types():
    grammar = load_grammar("python")
    assert grammar.node_types_at("a[b(c{" * 7000, 10) == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("()[]{}'\"`\\\na")), max_size=60))
def test_marks_are_found_in_time_proportional_to_the_code(code):
    """Each mark is visited at most twice, so no more brackets are found than there are."""
    found = find_unbalanced(code)
    places = sorted((*found.open, *found.unopened))
    assert len(set(places)) == len(places) <= sum(char in "()[]{}" for char in code)
    assert all(code[at] in "([{" for at in found.open)
    assert all(code[at] in ")]}" for at in found.unopened)


def test_a_ruler_of_any_length_is_no_repetition_and_is_skipped_at_once():
    lines = Counter()

    def trace(frame, event, _):
        if event == "line":
            lines[frame.f_code.co_name] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert cut_repetitions("# " + "-" * MAX_ANSWER_BYTES) == "# " + "-" * MAX_ANSWER_BYTES
    finally:
        sys.settrace(before)
    assert lines["_cut_repeated_pieces"] < 20


def test_a_repetition_after_a_ruler_is_cut():
    assert cut_repetitions("--------ab.ab.ab.ab.ab.") == "--------ab."


@given(st.text(st.sampled_from(list("-a ,\n")), max_size=120))
def test_skipping_rulers_changes_no_cut(text):
    cut = next(
        (
            text[: found.start() + len(unit)]
            for found in _UNIT.finditer(text)
            if len(set((unit := found.group(1) or found.group(2)).strip())) > 1
        ),
        text,
    )
    assert _cut_repeated_pieces(text) == cut


def test_an_answer_of_endless_tokens_ends(scripted):
    engine = scripted("- " + "=+" * MAX_ANSWER_BYTES)
    session = DocumentSession(
        engine, "", CompletionOptions(disabled_rules=frozenset({"loops"}), line_tokens=9999)
    )
    session.complete("x", 1, "invoked")
    assert engine.generated <= MAX_ANSWER_BYTES


@pytest.mark.parametrize(("spent", "left"), [(0.0, 500.0), (0.2, 300.0), (9.0, 1.0)])
def test_time_spent_before_the_model_runs_reduces_its_time_limit(scripted, monkeypatch, spent, left):
    engine = scripted("a\n")
    now = iter([0.0])
    for module in ("session", "results"):
        monkeypatch.setattr(f"cg2ls.completion.{module}.perf_counter", lambda: next(now, spent))
    DocumentSession(engine, "", CompletionOptions(max_ms=500)).complete("x = ", 4, "invoked")
    assert engine.requests[0].time_limit_ms == pytest.approx(left)


def test_without_max_ms_the_request_has_no_time_limit(scripted):
    engine = scripted("a\n")
    DocumentSession(engine, "", CompletionOptions(max_ms=None)).complete("x = ", 4, "invoked")
    assert engine.requests[0].time_limit_ms is None


@pytest.mark.parametrize(
    ("ended", "shown"), [("time", "a = 1"), ("context full", "a = 1"), ("stop token", "a = 1\n    b = 2")]
)
def test_an_answer_cut_short_by_the_engine_loses_its_last_line(scripted, ended, shown):
    engine = scripted("a = 1\n    b = 2")
    engine.last = Timing(ended=ended)
    found = DocumentSession(engine, "python").complete("if x:\n    ", 10, "invoked")
    assert found.text == shown


@pytest.mark.parametrize("language", ["javascript", "typescript", ""])
@pytest.mark.parametrize(
    "name", ["3,000 brackets", "mixed brackets", "brackets on many lines", "quotes", "blanks"]
)
def test_other_languages_cost_no_more(scripted, monkeypatch, name, language):
    engine = scripted(ANSWERS[0], anchor_max_tokens=128, context_length=1024)
    work = work_of(engine, HOSTILE[name], len(HOSTILE[name]), "invoked", monkeypatch, language=language)
    assert work.lines < MAX_LINES
    assert work.encoded < MAX_ENCODED
    assert work.parses < 2 * MAX_PARSED
    assert work.steps < MAX_REQUEST_STEPS
