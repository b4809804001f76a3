"""model.json is written and read back whole, and a bad one is refused by the name of the key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cg2ls.models.codegen2 import SpecialTokens
from cg2ls.models.folder import ModelDescription, ModelFolderError
from cg2ls.models.folder.description import Architecture, FileEntry, Infill, Language, Source
from cg2ls.models.folder.line_choice import DEFAULT_LINE_CHOICE

MODEL = ModelDescription(
    name="small",
    architecture=Architecture(
        n_layer=2,
        n_embd=64,
        n_head=4,
        head_dim=16,
        rotary_dim=16,
        n_inner=256,
        vocab_size=512,
        qkv_groups=8,
    ),
    context_length=256,
    tokens=SpecialTokens(vocab_size=512, end_of_text=400, sep=410, eom=411, n_masks=100),
    precision="int8",
    files={name: FileEntry("ab" * 32, 7) for name in ("model.onnx", "model.onnx.data", "tokenizer.json")},
    source=Source(checkpoint="c", revision="r", sha256="s"),
    license="Apache-2.0",
    infill=Infill(objectives=("causal",), character_cuts=True, anchor_max_tokens=64),
    languages={"python": Language(1.25), "go": Language()},
    document_header="# x\n",
    quality={"exact_match": 0.5, "bytes": 3},
    line_choice=DEFAULT_LINE_CHOICE,
)


def test_a_folder_without_numbers_for_the_choice_of_lines_has_none(tmp_path):
    replace(MODEL, line_choice=None).write(tmp_path)
    assert "line_choice" not in json.loads((tmp_path / "model.json").read_text())
    assert ModelDescription.read(tmp_path).line_choice is None


def _change_line_choice(change):
    raw = MODEL.to_dict()
    change(raw["line_choice"])
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda raw: raw.update(evidence_tokens=0), "line_choice.evidence_tokens"),
        (lambda raw: raw.update(evidence_tokens=100_000), "line_choice.evidence_tokens"),
        (lambda raw: raw.pop("places"), "line_choice.places"),
        (
            lambda raw: raw["places"]["line_start"].update(evidence=-1),
            "line_choice.places.line_start.evidence",
        ),
        (lambda raw: raw["places"]["line_start"].pop("greedy"), "line_choice.places.line_start.greedy"),
        (lambda raw: raw["places"].update(line_start={"evidence": "much"}), "line_choice.places.line_start"),
        (lambda raw: raw["confidence"].pop("lead"), "line_choice.confidence.lead"),
        (lambda raw: raw.update(confidence=None), "line_choice.confidence"),
    ],
)
def test_bad_numbers_for_the_choice_of_lines_are_refused_by_key(tmp_path, change, key):
    (tmp_path / "model.json").write_text(_change_line_choice(change))
    with pytest.raises(ModelFolderError, match=key):
        ModelDescription.read(tmp_path)


def test_written_file_is_read(tmp_path):
    MODEL.write(tmp_path)
    assert ModelDescription.read(tmp_path) == MODEL


def test_the_file_has_the_documented_keys(tmp_path):
    MODEL.write(tmp_path)
    raw = json.loads((tmp_path / "model.json").read_text())
    assert raw["format"] == 1
    assert raw["tokens"] == {"end_of_text": 400, "sep": 410, "eom": 411, "masks": 100}
    assert raw["infill"] == {"objectives": ["causal"], "character_cuts": True, "anchor_max_tokens": 64}
    assert raw["languages"]["python"] == {"bits_per_byte": 1.25}
    assert raw["architecture"]["qkv_groups"] == 8


def test_keys_of_later_versions_are_skipped(tmp_path):
    raw = MODEL.to_dict() | {"colour": "blue"}
    (tmp_path / "model.json").write_text(json.dumps(raw))
    assert ModelDescription.read(tmp_path) == MODEL


@pytest.mark.parametrize(("precision", "independent"), [("fp32", True), ("int4", True), ("int8", False)])
def test_a_folder_without_the_key_has_the_value_that_its_precision_implies(tmp_path, precision, independent):
    raw = MODEL.to_dict() | {"precision": precision}
    del raw["independent_rows"]
    (tmp_path / "model.json").write_text(json.dumps(raw))
    assert ModelDescription.read(tmp_path).independent_rows is independent


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["format"], 2, "format is 2, but this cg2ls reads up to 1; update cg2ls"),
        (["family"], "gpt2", "family is 'gpt2', but must be one of codegen2"),
        (["name"], "", "name must be a non-empty string"),
        (["context_length"], 1, "context_length is 1, but must be at least 32"),
        (["context_length"], True, "context_length must be a whole number"),
        (["architecture", "head_dim"], 32, "n_embd must be n_head times head_dim"),
        (["architecture", "rotary_dim"], 18, "rotary_dim must be even and at most head_dim"),
        (["architecture", "n_layer"], None, "architecture.n_layer must be a whole number"),
        (["tokens", "eom"], 512, "tokens.eom is 512, but must be at least 0 and below 512"),
        (["infill", "objectives"], "causal", "infill.objectives must be a list of strings"),
        (["infill", "character_cuts"], 1, "infill.character_cuts must be true or false"),
        (["languages", "python"], 1.2, "languages.python must be a JSON object"),
        (["languages", "python", "bits_per_byte"], "low", "bits_per_byte must be a number"),
        (
            ["precision"],
            "int3",
            "precision is 'int3', but must be one of fp32, fp16, bf16, int8, int6, int4, nf4",
        ),
        (["files", "model.onnx"], None, "files.model.onnx must be a JSON object"),
        (["files", "../up"], {"sha256": "a", "bytes": 1}, "files names '../up'"),
        (["quality"], {"loss": float("nan")}, "quality.loss must be a number"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, path, value, says):
    raw = MODEL.to_dict()
    place = raw
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (tmp_path / "model.json").write_text(json.dumps(raw))
    with pytest.raises(ModelFolderError) as error:
        ModelDescription.read(tmp_path)
    assert says in str(error.value)
    assert "model.json" in str(error.value)


@pytest.mark.parametrize("key", sorted(MODEL.to_dict().keys() - {"independent_rows", "line_choice"}))
def test_a_missing_key_is_named(tmp_path, key):
    raw = MODEL.to_dict()
    del raw[key]
    (tmp_path / "model.json").write_text(json.dumps(raw))
    with pytest.raises(ModelFolderError, match=f"{key} is missing"):
        ModelDescription.read(tmp_path)


def test_a_file_that_must_be_listed(tmp_path):
    raw = MODEL.to_dict()
    del raw["files"]["tokenizer.json"]
    (tmp_path / "model.json").write_text(json.dumps(raw))
    with pytest.raises(ModelFolderError, match=r"files does not list tokenizer\.json"):
        ModelDescription.read(tmp_path)


def test_a_missing_file_and_invalid_json_are_refused(tmp_path):
    with pytest.raises(ModelFolderError, match="is not a model folder"):
        ModelDescription.read(tmp_path)
    (tmp_path / "model.json").write_bytes(b"\xff{")
    with pytest.raises(ModelFolderError, match="cannot be read as JSON"):
        ModelDescription.read(tmp_path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": ' + "1" * 5_000 + "}", "", "null", "[1]"])
def test_invalid_description_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ModelFolderError, match=r"model\.json"):
        ModelDescription.read(tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("architecture", "n_layer", 10**9), ("architecture", "n_inner", 10**400), ("quality", "loss", 10**400)],
)
def test_numbers_that_no_model_has_are_refused(tmp_path, section, key, value):
    raw = MODEL.to_dict()
    raw[section][key] = value
    (tmp_path / "model.json").write_text(json.dumps(raw))
    with pytest.raises(ModelFolderError, match=rf"{section}\.{key}"):
        ModelDescription.read(tmp_path)
