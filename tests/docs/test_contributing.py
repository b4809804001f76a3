"""The contributor guide's worked examples run unchanged."""

from __future__ import annotations

import json
import re
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest

from cg2_quantize.cli import main as quantize
from cg2_quantize.formats.catalogue import Format
from cg2_training.cli.main import main as train
from cg2_training.objective import config as objective_config
from cg2_training.objective import rows
from cg2ls.cli.main import make_parser, normalize_arguments
from cg2ls.completion.postprocess import pipeline
from cg2ls.engine.engine import Engine
from cg2ls.engine.request import Request
from tests.cg2ls.completion.conftest import passes  # noqa: F401 (the fixture that the guide speaks of)
from tests.docs.pages import ROOT, Block, blocks, example, name_of

GUIDE = ROOT / "docs" / "contributing"
EDITORS = sorted((ROOT / "docs" / "user" / "editors").glob("*.md"))


def load(monkeypatch: pytest.MonkeyPatch, page: Path, path: str) -> types.ModuleType:
    """Import an example as the module that it would be, if its file was there."""
    name = (
        path.removesuffix(".py").split("/", path.startswith(("quantize/", "training/")))[-1].replace("/", ".")
    )
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(example(page, path), path, "exec"), module.__dict__)
    return module


class TestCompletionRule:
    PAGE = GUIDE / "completion-rule.md"

    @pytest.fixture
    def rule(self, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        return load(monkeypatch, self.PAGE, "cg2ls/completion/postprocess/comments.py")

    def test_its_table_passes(self, rule, passes, monkeypatch):  # noqa: F811
        table = load(monkeypatch, self.PAGE, "tests/cg2ls/completion/postprocess/test_comments.py")
        (mark,) = table.test_a_todo_ends_the_text.pytestmark
        names, cases = mark.args
        assert len(cases) == 3
        for case in cases:
            table.test_a_todo_ends_the_text(passes, **dict(zip(names, case, strict=True)))

    def test_it_is_applied_among_the_bounds_and_ends_generation(self, rule, monkeypatch):
        from cg2ls.completion.postprocess.rule import Rule, RuleContext
        from cg2ls.completion.prompt.cursor import Cursor

        context = RuleContext(cursor=Cursor.at("def f():\n    ", 13), extent="block", language="python")
        answer = "a = 1\n    # TODO: more\n    b"
        before = pipeline.Postprocessor(context=context)
        assert not before.is_complete(answer)
        added = Rule(rule.stop_at_todo, "ends before a comment that begins with TODO")
        monkeypatch.setattr(pipeline, "BOUNDS", (*pipeline.BOUNDS, added))
        assert pipeline.Postprocessor(context=context).is_complete(answer)
        disabled = pipeline.Postprocessor(context=context, disabled=frozenset({added.name}))
        assert not disabled.is_complete(answer)


class TestQuantizationFormat:
    PAGE = GUIDE / "quantization-format.md"

    def test_a_converted_model_computes_nearly_the_same(
        self, monkeypatch, tiny_checkpoint, tiny_model, tmp_path
    ):
        module = load(monkeypatch, self.PAGE, "quantize/cg2_quantize/formats/weight_only.py")
        used = []

        def make_matrix_writer(*_: object) -> object:
            used.append(module.WeightOnlyInt8())
            return used[-1]

        monkeypatch.setattr(Format, "make_matrix_writer", make_matrix_writer)
        arguments = [
            str(tiny_checkpoint),
            "-o",
            str(tmp_path / "model"),
            "--format",
            "fp32",
            "--proof",
            "none",
        ]
        assert quantize(arguments) == 0
        assert used
        weights = (tmp_path / "model" / "model.onnx.data").stat().st_size
        assert weights < 0.6 * (tiny_model / "model.onnx.data").stat().st_size
        logprobs = [first_logprobs(folder) for folder in (tiny_model, tmp_path / "model")]
        np.testing.assert_allclose(*logprobs, atol=0.05)


def first_logprobs(folder: Path) -> list[float]:
    """Return the log-probabilities of a model's greedy answer to a fixed prompt."""
    with Engine.open(folder) as engine:
        prompt = list(range(20, 40))
        return [step.logprob for step in engine.complete(Request(prompt=prompt, max_tokens=1))]


class TestTrainingObjective:
    PAGE = GUIDE / "training-objective.md"

    def test_show_batch_prints_its_rows(self, monkeypatch, tmp_path, capsys):
        module = load(monkeypatch, self.PAGE, "training/cg2_training/objective/last_line.py")
        infills = (*objective_config.INFILLS, "last_line")
        monkeypatch.setattr(objective_config, "INFILLS", infills)
        monkeypatch.setattr(rows, "choose_spans", lambda text, *_, **__: module.draw_last_line(text))
        recipe, shard = self.material(tmp_path)
        capsys.readouterr()
        settings = ["--set", "objective.infill=last_line", "--set", "objective.infill_share=1.0"]
        assert train(["show-batch", recipe, "--train", shard, *settings]) == 0
        shown = capsys.readouterr().out
        assert "<mask_1>" in shown
        assert "<mask_2>" not in shown
        assert train(["show-batch", recipe, "--train", shard, *settings, "--stats", "--json"]) == 0
        stats = json.loads(capsys.readouterr().out)
        assert stats["rows_cut"] == 0
        assert stats["single_line_share"] == 1.0

    def material(self, folder: Path) -> tuple[str, str]:
        """Make a corpus, a tokenizer and a shard by the commands; return a recipe and the shard."""
        corpus = folder / "corpus.jsonl"
        text = "".join(f"def function_{name}(value):\n    return value + {name}\n\n" for name in range(40))
        corpus.write_text("".join(json.dumps({"text": text[start:]}) + "\n" for start in range(0, 200, 20)))
        tokenizer, shard = str(folder / "tokenizer.json"), str(folder / "shard")
        assert train(["tokenizer", str(corpus), "-o", tokenizer, "--vocab-size", "400", "--masks", "20"]) == 0
        assert train(["tokenize", str(corpus), "--tokenizer", tokenizer, "-o", shard]) == 0
        recipe = folder / "toy.toml"
        model = {"n_layer": 1, "n_embd": 32, "n_head": 4, "rotary_dim": 8, "context_length": 128}
        model |= {"vocab_size": 400, "n_masks": 20}
        lines = [f"{name} = {value}" for name, value in model.items()]
        recipe.write_text(
            "\n".join(['name = "toy"', "[model]", *lines, "[run]", "steps = 200", "rows_per_step = 4"])
        )
        return str(recipe), shard


def test_the_smallest_client_prints_ghost_text(tmp_path, monkeypatch, capfd):
    """The default model answers, as it would an editor."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    load(monkeypatch, GUIDE / "editor.md", "smallest_client.py")
    assert capfd.readouterr().out.startswith("st")


CONFIGURATIONS = [
    (name_of(page), block)
    for page in EDITORS
    for block in blocks(page)
    if block.language in ("toml", "json", "elisp")
]


@pytest.mark.parametrize(("page", "block"), CONFIGURATIONS)
def test_a_configuration_parses_and_starts_the_server(page: str, block: Block) -> None:
    for command in commands_in(block):
        assert command[0] == "cg2ls"
        given = normalize_arguments(command[1:])
        make_parser(given[0]).parse_args(given)


def test_there_is_a_configuration_for_each_editor() -> None:
    pages = {name_of(page): page.read_text("utf-8") for page in EDITORS if page.name != "README.md"}
    shown = {page for page, block in CONFIGURATIONS if commands_in(block)}
    named = {page for page, text in pages.items() if STARTED.search(text)}
    assert shown | named == pages.keys()


STARTED = re.compile(r"`cg2ls --stdio`|'cg2ls'.*'--stdio'", re.DOTALL)
"""The server's command in a table for a dialog, or in Vim script, which this test cannot parse."""


def commands_in(block: Block) -> list[list[str]]:
    """Return the server's command lines in a configuration.

    Raises:
        ValueError: the block does not parse.
    """
    if block.language == "elisp":
        return lisp_commands(block.text)
    tree = tomllib.loads(block.text) if block.language == "toml" else json.loads(block.text)
    found = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
            if "command" in node:
                command = node["command"]
                found.append([command, *node.get("args", [])] if isinstance(command, str) else command)
        elif isinstance(node, list):
            waiting += node
    return found


def lisp_commands(text: str) -> list[list[str]]:
    """Return runs of strings that begin with "cg2ls" in Lisp whose brackets must balance."""
    depth, words, runs = 0, text.replace("(", " ( ").replace(")", " ) ").split(), []
    for index, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth < 0:
            break
        if word == '"cg2ls"':
            end = next(end for end in range(index, len(words)) if not words[end].startswith('"'))
            runs.append([each.strip('"') for each in words[index:end]])
    if depth:
        raise ValueError("brackets do not balance")
    return runs


def test_lisp_that_does_not_parse_would_be_noticed() -> None:
    with pytest.raises(ValueError, match="balance"):
        lisp_commands('(add-to-list ("cg2ls" "--stdio")')
