"""`cg2-train` from a corpus file to a model folder that completes, as a person would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cg2_training.cli.main import main
from cg2_training.run.recipe import Recipe
from cg2ls.engine import Engine, Request
from cg2ls.models.folder import ModelDescription


def test_from_text_to_a_model_folder(
    recipe: dict[str, Any], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe["model"] |= {"n_embd": 64, "rotary_dim": 16}
    path = tmp_path / "toy.toml"
    path.write_text(Recipe.from_dict(recipe).to_toml())
    sources = {"toy==1.0": {"split": "train"}, "kept==2.0": {"split": "heldout"}}
    report = {
        "files": {"train": 11},
        "bytes": {"train": 1e6},
        "manifest": "m.toml",
        "manifest_sha256": "abc",
        "sources": sources,
    }
    (tmp_path / "corpus.json").write_text(json.dumps(report))
    tokenizer, shard, run, folder = (str(tmp_path / name) for name in ("t.json", "shard", "run", "folder"))
    assert main(["tokenizer", str(corpus), "-o", tokenizer, "--vocab-size", "640", "--masks", "20"]) == 0
    assert main(["tokenize", str(corpus), "--tokenizer", tokenizer, "-o", shard]) == 0
    assert main(["show-batch", str(path), "--train", shard]) == 0
    assert "<mask_1>" in capsys.readouterr().out
    assert main(["pretrain", str(path), "--train", shard, "--heldout", shard, "--run", run]) == 0
    assert main(["evaluate", f"{run}/checkpoint", "--heldout", shard, "--rows", "4", "--json"]) == 0
    assert '"bits_per_byte"' in capsys.readouterr().out
    assert main(["export", run, "--heldout", shard, "--corpus", str(tmp_path), "-o", folder]) == 0

    model = ModelDescription.read(Path(folder))
    assert (model.name, model.precision, model.license) == ("toy", "int8", "Apache-2.0")
    assert model.infill.anchor_max_tokens == 20
    assert model.languages["python"].bits_per_byte == pytest.approx(model.quality["bits_per_byte"])
    card = (Path(folder) / "README.md").read_text()
    assert "kept==2.0" in card
    assert "12 steps of 4 rows: 3,072 tokens" in card
    with Engine.open(Path(folder)) as engine:
        steps = list(engine.complete(Request(prompt=engine.tokenizer.encode("def "), max_tokens=3)))
    assert steps


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tokenize", "none.jsonl", "--tokenizer", "none.json", "-o", "out"], "none.json is missing"),
        (["evaluate", "none", "--heldout", "none"], "none does not exist"),
        (
            ["pretrain", "none.toml", "--train", "a", "--heldout", "b", "--run", "c"],
            "none.toml does not exist",
        ),
        (["corpus", "build", "none.toml", "-o", "out"], "none.toml"),
    ],
)
def test_a_problem_is_reported_in_one_sentence(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    message = capsys.readouterr().err.strip()
    assert says in message
    assert message.count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_corpus_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "x = 1"}\n{"text": \n')
    assert main(["tokenizer", str(tmp_path / "bad.jsonl"), "-o", str(tmp_path / "t.json")]) == 1
    assert "line 2: not a JSON object with a text" in capsys.readouterr().err


def test_an_empty_corpus_is_named(tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = tmp_path / "t.json"
    assert main(["tokenizer", str(corpus), "-o", str(tokenizer), "--vocab-size", "400", "--masks", "20"]) == 0
    (tmp_path / "empty.jsonl").touch()
    out = tmp_path / "shard"
    assert (
        main(["tokenize", str(tmp_path / "empty.jsonl"), "--tokenizer", str(tokenizer), "-o", str(out)]) == 1
    )
    assert "has no documents to train on" in capsys.readouterr().err
    assert not out.exists()


def test_a_corpus_that_is_no_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jsonl").write_bytes(b'{"text": "x = 1"}\n\xff\xfe\n')
    assert main(["tokenizer", str(tmp_path / "bad.jsonl"), "-o", str(tmp_path / "t.json")]) == 1
    assert "bad.jsonl is damaged: it is not UTF-8" in capsys.readouterr().err


def test_training_needs_nothing_of_the_server(tmp_path: Path) -> None:
    """A machine with a GPU has PyTorch, and seldom what a language server needs."""
    absent = ("platformdirs", "pygls", "lsprotocol", "onnxruntime", "onnx", "transformers", "pathspec")
    code = (
        f"import sys\nfor name in {absent}:\n    sys.modules[name] = None\n"
        "from cg2_training.cli.main import main\nimport cg2_training.bench.measure, cg2_training.remote.session\n"
        "sys.exit(main(['plan', sys.argv[1]]))"
    )
    recipe = Path(__file__).parents[3] / "training" / "recipes" / "python-27m.toml"
    done = subprocess.run(
        [sys.executable, "-c", code, str(recipe)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "27.3M parameters" in done.stdout
