"""Folders for onnxruntime-genai: with its inputs, their graph gives the same logits."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.formats import FormatError
from cg2ls.engine.onnx_session import EXACT_SUMS
from cg2ls.models.folder.verify import verify_folder

CAPACITY = 48


@pytest.fixture(scope="module", params=["fp32", "int8", "int4"])
def folder(request, checkpoint, tmp_path_factory):
    made = tmp_path_factory.mktemp("genai") / request.param
    convert(checkpoint, made, ConversionOptions(precision=request.param, genai=True))
    return made


class Loop:
    """Feeds a folder by its genai_config.json: ids, a mask of ones, one buffer for past and present."""

    def __init__(self, folder):
        about = json.loads((folder / "genai_config.json").read_text())
        self.decoder, self.search = about["model"]["decoder"], about["search"]
        options = ort.SessionOptions()
        for key, value in self.decoder["session_options"].items():
            if key != "provider_options":
                options.add_session_config_entry(key, value)
        self.session = ort.InferenceSession(str(folder / self.decoder["filename"]), options)
        self.binding = self.session.io_binding()
        shape = (1, self.decoder["num_key_value_heads"], CAPACITY, self.decoder["head_size"])
        for layer in range(self.decoder["num_hidden_layers"]):
            for part in ("key", "value"):
                buffer = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
                self.binding.bind_ortvalue_input(self.decoder["inputs"][f"past_{part}_names"] % layer, buffer)
                self.binding.bind_ortvalue_output(
                    self.decoder["outputs"][f"present_{part}_names"] % layer, buffer
                )

    def __call__(self, tokens, *, start=0):
        inputs = self.decoder["inputs"]
        self.binding.bind_cpu_input(inputs["input_ids"], np.array([tokens], np.int64))
        mask = np.ones((1, start + len(tokens)), np.int64)
        self.binding.bind_cpu_input(inputs["attention_mask"], mask)
        self.binding.bind_output(self.decoder["outputs"]["logits"])
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()[-1].numpy()[0]


def test_the_last_tokens_logits_are_ours_bit_for_bit(folder, run, tokens):
    loop, model = Loop(folder), run(folder)
    last = len(tokens) - 1
    np.testing.assert_array_equal(loop(tokens), model(tokens, wanted=[last]))
    loop(tokens[:5])
    model(tokens[:5])
    expected = model(tokens[5:], start=5, wanted=[last - 5])
    np.testing.assert_array_equal(loop(tokens[5:], start=5), expected)


def test_weights_are_not_written_twice(folder):
    graph = onnx.load(str(folder / "genai.onnx"), load_external_data=False).graph
    assert {e.value for t in graph.initializer for e in t.external_data if e.key == "location"} == {
        "model.onnx.data"
    }
    assert (folder / "genai.onnx").stat().st_size < 100_000
    verify_folder(folder)


def test_its_loop_computes_as_the_engine_does(folder):
    loop = Loop(folder)
    assert EXACT_SUMS.items() <= loop.decoder["session_options"].items()
    assert loop.search["past_present_share_buffer"] is True


@pytest.mark.parametrize("options", [{"target": "cuda"}, {"kv": "int8"}])
def test_formats_never_run_there_are_refused(checkpoint, tmp_path, options):
    with pytest.raises(FormatError, match="--genai is for processors"):
        convert(checkpoint, tmp_path / "out", ConversionOptions(precision="int8", genai=True, **options))
    assert not (tmp_path / "out").exists()
