"""A conversion writes a complete, described folder, or nothing and one error."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, namedtuple
from typing import TYPE_CHECKING

import onnx
import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import build_small_tokenizer, write_random_checkpoint
from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning import plan
from cg2_quantize.planning.machine import Machine
from cg2ls.files import OutputError, sha256_of
from cg2ls.models.codegen2 import CheckpointError, CodeGenConfig, TokenizerError
from cg2ls.models.codegen2.files import SafetensorsError
from cg2ls.models.folder import ModelDescription
from cg2ls.models.folder.description import Infill, Language, Source
from cg2ls.models.folder.facts import Facts, FactsError
from cg2ls.models.folder.verify import verify_folder

if TYPE_CHECKING:
    import numpy as np


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A checkpoint to damage."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


def left_over(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "copy")


def test_the_folder_verifies_and_describes_itself(folders, checkpoint, config):
    for precision, path in folders.items():
        model = verify_folder(path)
        assert model.precision == precision
        assert model.name == "random"
        assert model.architecture.qkv_groups == 8
        assert model.context_length == config.n_positions
        assert model.tokens.vocab_size == config.vocab_size
        assert model.infill == Infill(character_cuts=True, anchor_max_tokens=64)
        assert model.source == Source(checkpoint="random", sha256=sha256_of(checkpoint / "model.safetensors"))


def test_what_training_recorded_reaches_model_json(copy, tmp_path):
    facts = Facts(
        name="named-by-training",
        license="Apache-2.0",
        document_header="# file\n",
        infill=Infill(objectives=("causal",)),
        languages={"python": Language(1.25), "go": Language()},
        source=Source(checkpoint="run-7", revision="abc", sha256="ff"),
        quality={"exact_match": 0.5},
    )
    facts.write(copy)
    convert(copy, tmp_path / "out", ConversionOptions(untrained=True))
    assert Facts.of_model(ModelDescription.read(tmp_path / "out")) == facts
    convert(copy, tmp_path / "out", ConversionOptions(name="mine", license="MIT", force=True, untrained=True))
    model = ModelDescription.read(tmp_path / "out")
    assert (model.name, model.license) == ("mine", "MIT")


def test_without_facts_a_checkpoint_is_taken_as_published(copy, tmp_path):
    (copy / "cg2ls.json").unlink()
    convert(copy, tmp_path / "out", ConversionOptions(untrained=True))
    assert Facts.of_model(ModelDescription.read(tmp_path / "out")).infill == Infill()


def test_sizes_follow_the_format(folders, config):
    size = {name: (path / "model.onnx.data").stat().st_size for name, path in folders.items()}
    assert size["fp32"] > 3.9 * config.n_parameters
    assert size["int8"] < 0.3 * size["fp32"]
    assert size["int4"] < 0.85 * size["int8"]


def test_the_same_checkpoint_gives_the_same_bytes(checkpoint, folders, tmp_path):
    convert(checkpoint, tmp_path / "again", ConversionOptions(precision="int4"))
    before, after = ModelDescription.read(folders["int4"]), ModelDescription.read(tmp_path / "again")
    assert after.files == before.files


def test_report_counts_what_was_written(checkpoint, tmp_path, config):
    report = convert(checkpoint, tmp_path / "out", ConversionOptions(precision="int8"))
    assert report.parameters == config.n_parameters
    assert report.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert 8 < report.bits_per_weight < 9.5


def test_a_block_is_few_nodes_with_readable_names(folders):
    nodes = onnx.load(str(folders["int8"] / "model.onnx"), load_external_data=False).graph.node
    names = [node.name for node in nodes]
    assert "/model/layers.0/attn/qkv_proj/MatMulIntegerToFloat" in names
    assert len(set(names)) == len(names)
    first = Counter(node.op_type for node in nodes if node.name.startswith("/model/layers.0/"))
    assert first.pop("LayerNormalization") == 1
    rounding = {"Abs": 2, "ReduceMax": 3, "Max": 1, "Div": 3, "QuantizeLinear": 3}
    products = {"MatMulIntegerToFloat": 4, "Mul": 4}
    assert first == rounding | products | {"GroupQueryAttention": 1, "FastGelu": 1, "Add": 1}


def test_large_tensors_begin_on_a_page_of_the_weight_file(folders):
    model = onnx.load(str(folders["fp32"] / "model.onnx"), load_external_data=False)
    places = {t.name: {e.key: e.value for e in t.external_data} for t in model.graph.initializer}
    stored = {name: place for name, place in places.items() if place}
    assert {place["location"] for place in stored.values()} == {"model.onnx.data"}
    assert all(int(place["offset"]) % 64 == 0 for place in stored.values())
    assert int(stored["lm_head.weight"]["offset"]) % 4096 == 0
    ends = sorted((int(place["offset"]), int(place["length"])) for place in stored.values())
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(ends))


def test_a_missing_tensor_is_reported(copy, tmp_path):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["transformer.h.1.mlp.fc_in.bias"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"h\.1\.mlp\.fc_in\.bias is missing"):
        convert(copy, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_a_truncated_file_is_reported(copy, tmp_path):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SafetensorsError, match="cut short"):
        convert(copy, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_a_tokenizer_of_another_family_is_refused(copy, tmp_path):
    text = (copy / "tokenizer.json").read_text(encoding="utf-8")
    (copy / "tokenizer.json").write_text(text.replace("<sep>", "[SEP]"), encoding="utf-8")
    with pytest.raises(TokenizerError, match="no <sep> token"):
        convert(copy, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_a_tokenizer_of_another_size_is_refused(copy, tmp_path):
    build_small_tokenizer(400).save(str(copy / "tokenizer.json"))
    with pytest.raises(QuantizeError, match="has 400 tokens, but the model has 384"):
        convert(copy, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_facts_with_a_wrong_type_are_refused(copy, tmp_path):
    (copy / "cg2ls.json").write_text('{"infill": {"objectives": "causal"}}')
    with pytest.raises(FactsError, match=r"cg2ls.json: infill\.objectives must be a list"):
        convert(copy, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_a_name_that_no_folder_can_have_is_refused(checkpoint, tmp_path):
    with pytest.raises(QuantizeError, match="--name"):
        convert(checkpoint, tmp_path / "out", ConversionOptions(name="../mine"))
    assert left_over(tmp_path) == []


def test_heads_that_the_attention_operator_cannot_compute_are_refused(tmp_path):
    shape = CodeGenConfig(
        n_layer=1, n_embd=32, n_head=4, rotary_dim=8, n_positions=32, vocab_size=300, n_inner=32
    )
    write_random_checkpoint(tmp_path / "copy", shape)
    with pytest.raises(QuantizeError, match="head size is 8, but ONNX Runtime needs a multiple of 16"):
        convert(tmp_path / "copy", tmp_path / "out")
    assert left_over(tmp_path) == []


def test_too_little_disk_space_is_reported_first(checkpoint, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: usage(10, 9, 1000))
    with pytest.raises(QuantizeError, match="its disk has 0 MB free"):
        convert(checkpoint, tmp_path / "new" / "out")
    assert left_over(tmp_path) == []


def test_too_little_memory_is_reported_first(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "inspect_machine", lambda: Machine(memory=1 << 20))
    with pytest.raises(QuantizeError, match=r"needs 0\.4 GB of memory, but 0\.0 GB are free"):
        convert(checkpoint, tmp_path / "out")
    assert left_over(tmp_path) == []


def test_an_existing_model_is_replaced_only_by_force(folders, checkpoint, tmp_path):
    out = shutil.copytree(folders["int8"], tmp_path / "out")
    with pytest.raises(QuantizeError, match="--force"):
        convert(checkpoint, out, ConversionOptions(precision="int4"))
    assert verify_folder(out).precision == "int8"
    convert(checkpoint, out, ConversionOptions(precision="int4", force=True))
    assert verify_folder(out).precision == "int4"


def test_force_does_not_replace_other_folders(checkpoint, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match=r"no model\.json"):
        convert(checkpoint, tmp_path / "notes", ConversionOptions(force=True))
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"


def test_a_failed_conversion_keeps_the_old_model(folders, checkpoint, tmp_path, monkeypatch):
    out = shutil.copytree(folders["int8"], tmp_path / "out")

    def fails(*arguments: object) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cg2_quantize.graph.graph_weights.GraphWeights.head", fails)
    with pytest.raises(OSError, match="No space"):
        convert(checkpoint, out, ConversionOptions(force=True))
    assert verify_folder(out).precision == "int8"
    assert left_over(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_leftovers_of_a_killed_conversion_are_removed(checkpoint, folders, tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path; from cg2_quantize import convert;"
        " convert(Path(sys.argv[1]), Path(sys.argv[2]), on_progress=lambda size: os.kill(os.getpid(), signal.SIGKILL))"
    )
    words = [sys.executable, "-c", program, str(checkpoint), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(words, env=environment, check=False).returncode == -signal.SIGKILL
    assert len(left_over(tmp_path)) == 1
    convert(checkpoint, tmp_path / "elsewhere" / "other")
    assert left_over(tmp_path) == ["elsewhere"], "a conversion to any place removes it"
    convert(checkpoint, tmp_path / "out")
    assert verify_folder(tmp_path / "out").files == verify_folder(folders["int8"]).files


def test_a_context_too_short_to_complete_in_is_refused(tmp_path):
    shape = CodeGenConfig(
        n_layer=1,
        n_embd=32,
        n_head=2,
        rotary_dim=16,
        n_positions=16,
        vocab_size=300,
        n_inner=32,
        qkv_groups=2,
    )
    write_random_checkpoint(tmp_path / "copy", shape)
    with pytest.raises(QuantizeError, match="context is 16 tokens, but completing needs 32"):
        convert(tmp_path / "copy", tmp_path / "out")
    assert not (tmp_path / "out").exists()
