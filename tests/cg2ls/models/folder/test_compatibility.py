"""Model folders made by 0.1.0 load here, and folders made here fit what 0.1.0 reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine, EngineOptions, Request
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.models.folder.verify import verify_folder

MODELS = Path(__file__).parents[3] / "data" / "models"
OLD_FOLDER = MODELS / "made-by-0.1.0"
OLD_READER = json.loads((MODELS / "model-json-0.1.0.schema.json").read_text())

ANSWERS = {
    "def add(a, b):\n    return": [200, 269, 9, 282, 162, 200, 366, 158],
    "import os\n\nfor name in": [200, 122, 300, 48, 237, 158, 26, 255],
    "x = 1\n": [73, 33, 45, 120, 107, 121, 383, 67],
}
"""Token ids that 0.1.0 answered with the stored folder, at temperature 0."""

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "null": None.__class__,
}


def problems(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """Return the violations of a value, by the few keywords of JSON Schema in the stored schema."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    is_typed = any(isinstance(value, TYPES[name]) for name in types)
    if not is_typed or (isinstance(value, bool) and "boolean" not in types):
        return [f"{path} is {value!r}, not of type {types}"]
    found = [f"{path}.{key} is missing" for key in schema.get("required", ()) if key not in value]
    if value not in schema.get("enum", [value]):
        found.append(f"{path} is {value!r}")
    if "minimum" in schema and not schema["minimum"] <= value <= schema.get("maximum", value):
        found.append(f"{path} is {value}")
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else False:
        found.append(f"{path} is empty")
    for key, entry in value.items() if isinstance(value, dict) else ():
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        found += problems(entry, inner, f"{path}.{key}") if inner else []
    for index, entry in enumerate(value) if isinstance(value, list) else ():
        found += problems(entry, schema["items"], f"{path}[{index}]")
    return found


def description_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model.json").read_text())  # type: ignore[no-any-return]


def test_a_folder_made_by_0_1_0_is_sound() -> None:
    model = verify_folder(OLD_FOLDER)
    assert (model.name, model.precision, model.context_length) == ("made-by-0.1.0", "int8", 128)
    assert model.infill.character_cuts
    assert model.infill.anchor_max_tokens == 64


@pytest.mark.parametrize("drafts", [False, True])
def test_a_folder_made_by_0_1_0_answers_as_it_did(drafts: bool) -> None:
    with Engine.open(OLD_FOLDER, threads=1, options=EngineOptions(drafts=drafts)) as engine:
        for text, expected in ANSWERS.items():
            request = Request(prompt=engine.tokenizer.encode(text), max_tokens=8, ignore_stop_tokens=True)
            assert [step.token for step in engine.complete(request)] == expected


@pytest.mark.parametrize(
    "options", [{"precision": "fp32"}, {"precision": "int8", "kv": "int8"}, {"precision": "int4"}]
)
def test_a_folder_made_now_is_one_that_0_1_0_reads(
    tiny_checkpoint: Path, tmp_path: Path, options: dict[str, str]
) -> None:
    convert(tiny_checkpoint, tmp_path / "model", ConversionOptions(name="m", **options))
    assert problems(description_of(tmp_path / "model"), OLD_READER) == []


@pytest.mark.parametrize("folder", [OLD_FOLDER, SHIPPED_DEFAULT], ids=["made by 0.1.0", "shipped"])
def test_the_stored_schema_accepts_what_0_1_0_made(folder: Path) -> None:
    assert problems(description_of(folder), OLD_READER) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, ".format is 2"),
        ({"precision": "int3"}, ".precision is 'int3'"),
        ({"files": {}}, ".files.model.onnx is missing"),
        ({"quality": {"exact": "high"}}, ".quality.exact is 'high'"),
        ({"languages": ["python"]}, ".languages is ['python']"),
    ],
)
def test_the_stored_schema_refuses_what_0_1_0_refuses(change: dict[str, Any], says: str) -> None:
    assert problems(description_of(OLD_FOLDER) | change, OLD_READER)[0].startswith(says)
