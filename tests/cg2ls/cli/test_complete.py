"""`cg2ls complete`: positions, formats and problems."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cg2ls.cli.complete import CompleteError, Place, find_offset
from cg2ls.cli.main import main
from cg2ls.completion import Completion


@pytest.fixture
def asked(monkeypatch):
    """Records the arguments of each completion; the answer is always ` = 1`."""
    calls = []

    class FakeEngine:
        model = SimpleNamespace(name="fake")

        @classmethod
        def open(cls, folder):
            return cls()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class Session:
        def __init__(self, engine, language, options):
            self.language, self.options = language, options

        def complete(self, text, offset, mode):
            calls.append((text, offset, {"language": self.language, "options": self.options, "mode": mode}))
            return Completion(
                text=" = 1", replace_end_offset=offset, logprob=-1, tokens=3, latency_ms=2.5, reason="shown"
            )

    monkeypatch.setattr("cg2ls.engine.Engine", FakeEngine)
    monkeypatch.setattr("cg2ls.completion.DocumentSession", Session)
    monkeypatch.setattr(
        "cg2ls.models.folder.store.locate_model", lambda **_: SimpleNamespace(folder=Path("folder"))
    )
    return calls


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "x.py"
    file.write_bytes("a\r\nné😀\nlast".encode())
    return file


def test_it_prints_the_text(asked, source, capsys):
    assert main(["complete", str(source), "--at", "2:4"]) == 0
    assert capsys.readouterr().out == " = 1\n"
    text, offset, more = asked[0]
    assert text[:offset] == "a\r\nné😀"
    assert (more["language"], more["mode"]) == ("python", "invoked")


def test_json_has_four_keys(asked, source, capsys):
    assert main(["complete", str(source), "--at", "1:2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"text": " = 1", "latency_ms": 2.5, "tokens": 3, "model": "fake"}


def test_language_and_lines_are_passed_on(asked, source):
    main(["complete", str(source), "--at", "1:1", "--language", "rust", "--max-lines", "2"])
    assert asked[0][2]["language"] == "rust"
    assert asked[0][2]["options"].max_lines == 2


@pytest.mark.parametrize(
    ("at", "offset"), [((1, 1), 0), ((1, 2), 1), ((2, 1), 3), ((2, 4), 6), ((3, 5), 11), ((3, 1), 7)]
)
def test_offsets_count_characters(at, offset):
    assert find_offset("a\r\nné😀\nlast", Place(*at), Path("x")) == offset


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((4, 1), "no line 4; its lines are 1 to 3"),
        ((0, 1), "no line 0"),
        ((2, 5), "no column 5; its columns are 1 to 4"),
        ((1, 0), "no column 0"),
    ],
)
def test_a_position_outside_the_document_is_an_error_with_the_valid_range(at, message):
    with pytest.raises(CompleteError, match=message):
        find_offset("a\r\nné😀\nlast", Place(*at), Path("x"))


def one_error_line(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_missing_file(capsys, tmp_path):
    assert main(["complete", str(tmp_path / "no.py"), "--at", "1:1"]) == 1
    assert "no.py does not exist" in one_error_line(capsys)


def test_a_file_that_is_not_utf_8(capsys, tmp_path):
    (tmp_path / "x.py").write_bytes(b"ab\xff")
    assert main(["complete", str(tmp_path / "x.py"), "--at", "1:1"]) == 1
    assert "not UTF-8 (byte 2)" in one_error_line(capsys)


def test_an_unknown_model(capsys, source):
    assert main(["complete", str(source), "--at", "1:1", "--model", "no-such-model"]) == 1
    assert "no-such-model" in one_error_line(capsys)


@pytest.mark.parametrize("at", ["7", "a:b", "1:", "-1:2"])
def test_a_place_must_be_line_and_column(capsys, source, at):
    with pytest.raises(SystemExit) as left:
        main(["complete", str(source), f"--at={at}"])
    assert left.value.code == 2
    assert "LINE:COL" in one_error_line(capsys)
