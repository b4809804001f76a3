"""Verdicts of the user's own acceptances: numbers only, on request only, and the gate that is fitted on them."""

from __future__ import annotations

import json
import random
import shutil
import stat
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

import cg2ls
from cg2ls.cli.main import main
from cg2ls.completion import CompletionOptions, DocumentSession
from cg2ls.completion.fitted_gate import HypothesisFeatures
from cg2ls.models.folder.description import ModelDescription
from cg2ls.models.folder.gate import GateWeights
from cg2ls.server.documents import Documents
from cg2ls.server.own_verdicts import (
    KEPT_ROWS,
    OwnVerdict,
    OwnVerdicts,
    Watched,
    own_gate,
    own_verdicts,
    shorten_hash,
)
from cg2ls.server.usage import Shown, Usage
from tests.cg2ls.evaluation.quality.test_fit_gate import make_verdict

URI = "file:///a.py"
MODEL = SimpleNamespace(name="m", weights_sha256="5" * 64)
WANTED = SimpleNamespace(stats=False, learn_from_acceptances=True)
FEATURES = HypothesisFeatures(**make_verdict(random.Random(0), 0).features)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Editor:
    """A document whose completions are watched."""

    def __init__(self, uri: str = URI, before: str = "area = ", after: str = "\nprint(area)\n") -> None:
        self.uri, self.documents = uri, Documents()
        self.usage = Usage(
            SimpleNamespace(of=lambda: WANTED), SimpleNamespace(without=lambda *a, **b: a[2]())
        )
        self.usage._save_later = lambda: None
        self.documents.open(types.TextDocumentItem(uri, "python", 1, before + after))
        self.place(len(before), before.count("\n"))

    def place(self, offset: int, line: int) -> None:
        self.at = self.documents.snapshot(self.uri).position(line, offset)

    def show(self, text: str, *, is_new: bool = True) -> None:
        completion = SimpleNamespace(
            text=text, confidence=0.6, features=replace(FEATURES, trigger="automatic") if is_new else None
        )
        watched = self.usage.watch(self.uri, MODEL, completion)
        self.usage.shown(self.uri, Shown(self.at, text, "python", "m", watched=watched))

    def insert(self, text: str) -> None:
        edit = types.TextDocumentContentChangePartial(range=types.Range(self.at, self.at), text=text)
        document = self.documents.change(types.VersionedTextDocumentIdentifier(2, self.uri), [edit])
        lines = text.split("\n")
        column = len(lines[-1]) + (self.at.character if len(lines) == 1 else 0)
        self.at = types.Position(self.at.line + len(lines) - 1, column)
        self.usage.edited(document, [edit])

    def verdicts(self) -> list[bool]:
        self.usage.forget(self.uri)
        self.usage.save()
        return [each.right for each in own_verdicts().read()]


def test_a_completion_is_right_if_its_first_line_came_into_the_document(home):
    editor = Editor()
    editor.show("width * height\nreturn area")
    editor.insert("width * height")
    assert editor.verdicts() == [True]


def test_typing_it_key_by_key_counts_too_and_once(home):
    editor = Editor()
    editor.show("ab + c")
    for char in "ab +":
        editor.insert(char)
    editor.show(" c", is_new=False)
    editor.insert(" c")
    assert editor.verdicts() == [True]
    assert own_verdicts().read()[0].characters == len("ab + c")


def test_what_is_typed_over_or_left_is_wrong(home):
    editor = Editor()
    editor.show("width * height")
    editor.insert("x")
    editor.show("width * height")
    editor.show("another")
    assert editor.verdicts() == [False, False, False]


def test_what_was_asked_for_by_hand_is_not_watched(home):
    completion = SimpleNamespace(text="a", confidence=1.0, features=replace(FEATURES, trigger="invoked"))
    assert Editor().usage.watch(URI, MODEL, completion) is None


NAMES = st.text(st.characters(exclude_categories=["Cs", "Nd"]), min_size=4, max_size=20)


@given(NAMES, NAMES, NAMES, st.booleans())
def test_no_text_and_no_path_enters_the_file(tmp_path_factory, name, before, text, accepts):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CG2LS_HOME", str(home))
        before, text = before.replace("\r", " "), text.replace("\r", " ").strip() or "shown"
        editor = Editor(f"file:///{name}.py", before.replace("\n", " "), "")
        editor.show(text)
        if accepts:
            editor.insert(text)
        editor.verdicts()
        content = (home / "verdicts.jsonl").read_text()
    assert set(content) <= set("0123456789.,-e[]\n")
    (row,) = [json.loads(line) for line in content.splitlines()]
    assert all(type(number) in (int, float) for number in row)


def test_a_verdict_survives_its_row():
    verdict = Watched.of("\nab\nc", MODEL, 7, 0.25, FEATURES).judge(3)
    assert (verdict.right, verdict.characters, verdict.group) == (True, 2, 7)
    row = json.loads(json.dumps(verdict.to_numbers()))
    found = OwnVerdict.from_numbers(row)
    assert found.weights == shorten_hash(MODEL.weights_sha256)
    for name, value in asdict(FEATURES).items():
        assert found.features[name] == (
            value if isinstance(value, str) else pytest.approx(float(value), abs=1e-4)
        )


@pytest.mark.parametrize("row", [[], {}, [2, 3], "x", ["a"] * 34])
def test_a_row_of_another_format_is_left_out(row, tmp_path):
    file = OwnVerdicts(tmp_path / "v.jsonl")
    file.add([Watched.of("a", MODEL, 1, 0.5, FEATURES).judge(1)])
    with file.path.open("a") as opened:
        opened.write(json.dumps(row) + "\nnot json\n")
    assert len(file.read()) == 1


def test_the_newest_are_kept(tmp_path):
    file = OwnVerdicts(tmp_path / "v.jsonl")
    verdict = Watched.of("a", MODEL, 1, 0.5, FEATURES).judge(1)
    file.add([replace(verdict, group=number) for number in range(KEPT_ROWS + 5)])
    found = file.read()
    assert (len(found), found[0].group) == (KEPT_ROWS, 5)


@pytest.mark.parametrize("wanted", [None, True])
def test_a_server_keeps_verdicts_only_if_the_user_wants_it(home, slow, wanted):
    client = slow(initializationOptions={"learnFromAcceptances": wanted} if wanted else {})
    client.change(URI, 2, {"text": "quick long\nb = "})
    assert client.inline(URI, 1, 4)["items"]
    at = {"line": 1, "character": 4}
    client.change(URI, 3, {"range": {"start": at, "end": at}, "text": "width * height"})
    assert client.leave() == 0
    path = home / "verdicts.jsonl"
    assert path.exists() == bool(wanted)
    if wanted:
        assert [each.right for each in own_verdicts().read()] == [True]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def fill(count: int, digest: str) -> None:
    draw = random.Random(3)
    made = [make_verdict(draw, number) for number in range(count)]
    own_verdicts().add(
        OwnVerdict(
            shorten_hash(digest), each.file, each.right, each.characters, each.confidence, each.features
        )
        for each in made
    )


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_model, tmp_path / "model")
    return tmp_path / "model"


def test_too_few_verdicts_are_refused(home, model, capsys):
    fill(299, ModelDescription.read(model).weights_sha256)
    fill(400, "f" * 64)  # of another model
    assert main(["gate", "fit", "--own", "--model", str(model)]) == 1
    assert "There are 299 verdicts, but a gate needs 300" in capsys.readouterr().err
    assert not own_gate().path.exists()


def test_a_better_gate_is_kept_for_this_user_and_cleared(home, model, capsys):
    description = ModelDescription.read(model)
    fill(1500, description.weights_sha256)
    assert main(["gate", "fit", "--own", "--dry-run", "--model", str(model)]) == 0
    assert not own_gate().path.exists()
    assert main(["gate", "fit", "--own", "--model", str(model)]) == 0
    assert "cg2ls gate remove --own" in capsys.readouterr().out
    assert stat.S_IMODE(own_gate().path.stat().st_mode) == 0o600
    assert own_gate().read(description).weights
    assert ModelDescription.read(model).gate is None, "the model folder stays as it is"
    assert main(["gate", "remove", "--own"]) == 0
    assert not own_gate().path.exists()
    assert main(["gate", "fit", "--own", "--model", str(model)]) == 0
    assert main(["stats", "clear"]) == 0
    assert not own_gate().path.exists()
    assert own_verdicts().read() == []


def test_what_tells_nothing_gives_no_gate(home, model, capsys):
    digest = ModelDescription.read(model).weights_sha256
    verdict, draw = Watched.of("width", MODEL, 1, 0.9, FEATURES).judge(5), random.Random(1)
    own_verdicts().add(
        replace(verdict, weights=shorten_hash(digest), group=number % 40, right=draw.random() > 0.1)
        for number in range(400)
    )
    assert main(["gate", "fit", "--own", "--model", str(model)]) == 0
    assert "within the noise, or a threshold alone" in capsys.readouterr().out
    assert not own_gate().path.exists()


def test_either_files_or_the_own_verdicts_are_fitted(home, capsys):
    for arguments in ([], ["--own", "verdicts.jsonl"]):
        assert main(["gate", "fit", *arguments]) == 1
        assert "Name files of verdicts, or give --own" in capsys.readouterr().err


def test_a_gate_of_another_model_or_a_damaged_one_is_not_used(home, model):
    description = ModelDescription.read(model)
    thresholds = {"quiet": 0.9, "balanced": 0.5, "eager": 0.1}
    own_gate().write(GateWeights(weights_sha256="f" * 64, bias=0.0, thresholds=thresholds))
    assert own_gate().read(description) is None
    own_gate().path.write_text("[")
    assert own_gate().read(description) is None


TEXT = "import os\n\n\ndef read_lines(path):\n    with open(path) as file:\n        return file."


def test_the_own_gate_only_withholds():
    from cg2ls.engine import Engine

    thresholds = {"quiet": 0.9, "balanced": 0.5, "eager": 0.1}
    shy, bold = (GateWeights(weights_sha256="", bias=bias, thresholds=thresholds) for bias in (-9.0, 9.0))
    with Engine.open(Path(cg2ls.__file__).parent / "default", threads=1) as engine:

        def ask(gate, **options):
            session = DocumentSession(engine, "python", CompletionOptions(**options), own_gate=gate)
            return session.complete(TEXT, len(TEXT)).text

        assert ask(None) != ""
        assert ask(bold) == ask(None)
        assert ask(shy) == ""
        assert ask(bold, min_confidence=1.0) == ask(None, min_confidence=1.0) == ""
        assert ask(shy, min_confidence=0.0) != "", "what the user sets goes first"
