"""A small random checkpoint, its model folders, and a way to run them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2ls.engine.onnx_session import arithmetic
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.tensor_layout import fuse_qkv, split_qkv
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.models.graph_io import LOGITS, LOGITS_POSITIONS, all_past_names, all_present_names, call_feeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

CONFIG = CodeGenConfig(
    n_layer=2, n_embd=256, n_head=8, rotary_dim=16, n_positions=64, vocab_size=384, n_inner=200, qkv_groups=8
)


@dataclass
class Runner:
    """Runs a model folder with one key and value buffer for past and present, as the engine does."""

    folder: Path
    config: CodeGenConfig = CONFIG
    capacity: int = 48
    dtype: type[np.generic] = np.float32
    _buffers: list[ort.OrtValue] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = ort.SessionOptions()
        for key, value in arithmetic().items():
            options.add_session_config_entry(key, value)
        self.session = ort.InferenceSession(str(self.folder / "model.onnx"), options)
        self._binding = self.session.io_binding()
        shape = (1, self.config.kv_heads, self.capacity, self.config.head_dim)
        layers = self.config.n_layer
        for past, present in zip(all_past_names(layers), all_present_names(layers), strict=True):
            buffer = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, self.dtype))
            self._buffers.append(buffer)
            self._binding.bind_ortvalue_input(past, buffer)
            self._binding.bind_ortvalue_output(present, buffer)

    def __call__(
        self, tokens: Sequence[int], *, start: int = 0, wanted: Sequence[int] | None = None
    ) -> np.ndarray:
        """Logits [positions, vocab_size] of tokens that follow `start` cached ones."""
        feeds = call_feeds(np.array(tokens, np.int64), start + len(tokens))
        if wanted is not None:
            feeds[LOGITS_POSITIONS] = np.array(wanted, np.int64)
        for name, values in feeds.items():
            self._binding.bind_cpu_input(name, values)
        self._binding.bind_output(LOGITS)
        self.session.run_with_iobinding(self._binding)
        return self._binding.get_outputs()[-1].numpy()[0]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Conversions record their temporary folders in a folder of the tests, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def config() -> CodeGenConfig:
    """Eight groups, and an MLP width that is no multiple of int4's block."""
    return CONFIG


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint in 8 groups."""
    folder = tmp_path_factory.mktemp("checkpoint") / "random"
    write_random_checkpoint(folder, CONFIG, seed=1)
    return folder


@pytest.fixture(scope="session")
def folders(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The checkpoint in every precision."""
    root = tmp_path_factory.mktemp("models")
    for precision in ("fp32", "int8", "int4"):
        convert(checkpoint, root / precision, ConversionOptions(precision=precision))
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped default model as a checkpoint, in 4 groups."""
    folder = tmp_path_factory.mktemp("trained") / "python-27m"
    dequantize(SHIPPED_DEFAULT, folder)
    return folder


@pytest.fixture(scope="session")
def trained_in_eight(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same function in twice the width and twice the heads, its attention weights in 8 groups.

    Every channel is there twice; matrices take half of each copy (Net2Net, Chen et al. 2016, arXiv 1511.05641).
    """
    source = Checkpoint.open(trained)
    width, heads = 2 * source.config.n_embd, 2 * source.config.n_head
    config = replace(source.config, n_embd=width, n_head=heads, n_inner=4 * width, qkv_groups=8)

    def doubled(values: np.ndarray, *, inputs: bool) -> np.ndarray:
        rows = np.concatenate([values, values])
        return np.concatenate([rows, rows], axis=1) / 2 if inputs else rows

    tensors = {}
    for name in source.names():
        values = source.tensor(name)
        if name.endswith("qkv_proj.weight"):
            parts = [doubled(part, inputs=True) for part in split_qkv(values, 4)]
            tensors[name] = fuse_qkv(*parts, 8)
        elif name == "transformer.wte.weight":
            tensors[name] = np.concatenate([values, values], axis=1)
        elif name == "lm_head.weight":
            tensors[name] = np.concatenate([values, values], axis=1) / 2
        elif name == "lm_head.bias":
            tensors[name] = values
        else:
            tensors[name] = doubled(values, inputs=values.ndim == 2)
    folder = tmp_path_factory.mktemp("trained") / "eight"
    tokenizer = CodeTokenizer.load(source.tokenizer_path)
    end = tokenizer.special.end_of_text
    write_checkpoint(folder, config, tensors, tokenizer.to_json(), end_of_text_id=end)
    return folder


@pytest.fixture(scope="session")
def run() -> Callable[[Path], Runner]:
    """Opens a model folder for running."""
    return Runner


@pytest.fixture(scope="session")
def tokens() -> list[int]:
    """Twenty token ids."""
    return [int(token) for token in np.random.default_rng(0).integers(0, CONFIG.vocab_size, 20)]
