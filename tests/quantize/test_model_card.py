"""README.md of a model folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cg2_quantize.model_card import count_parameters, render_metadata, render_model_card
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.description import Language, Source


def metadata_of(text):
    block = text.removeprefix("---\n").partition("\n---\n")[0]
    return yaml.safe_load(block)


def test_every_conversion_writes_a_card(folders):
    for precision, folder in folders.items():
        text = (folder / "README.md").read_text()
        assert metadata_of(text)["library_name"] == "cg2ls"
        assert f"in {precision}" in text


def test_the_card_states_what_model_json_and_the_report_state(folders, tmp_path, config):
    folder = Path(shutil.copytree(folders["int4"], tmp_path / "model"))
    model = replace(
        ModelDescription.read(folder),
        name="mine",
        license="Apache-2.0",
        languages={"python": Language(1.0)},
        source=Source(checkpoint="maker/small", revision="a" * 40, sha256="b" * 64),
    )
    model.write(folder)
    figures = {"tokens": 2044, "kl_mean": 0.0123, "top1_agreement": 0.945, "perplexity_ratio": 1.01}
    (folder / "report.json").write_text(json.dumps(figures))
    text = render_model_card(folder)
    about = metadata_of(text)
    assert about["license"] == "apache-2.0"
    assert (about["base_model"], about["base_model_relation"]) == ("maker/small", "quantized")
    assert about["tags"][-2:] == ["int4", "python"]
    for stated in ("0.012", "94.50%", "2044 tokens", "a" * 40, "b" * 64, f"{config.n_parameters:,}"):
        assert stated in text


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("", {}),
        ("MIT", {"license": "mit"}),
        ("Apache-2.0 AND MIT", {"license": "other", "license_name": "Apache-2.0 AND MIT"}),
        ('x: "y"\nz: 1', {"license": "other", "license_name": 'x: "y"\nz: 1'}),
    ],
)
def test_licences_are_the_hubs_or_named(folders, stated, expected):
    model = replace(ModelDescription.read(folders["int8"]), license=stated)
    about = metadata_of(render_metadata(model))
    assert {key: value for key, value in about.items() if key.startswith("license")} == expected


def test_parameters_are_those_of_the_shape(folders, config):
    assert count_parameters(ModelDescription.read(folders["int8"])) == config.n_parameters
