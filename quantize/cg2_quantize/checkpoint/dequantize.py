"""Conversion of a model folder back to a checkpoint with the exact values that the graph computes with.

The channels may be put in another order (`shuffle_channels`): the same function, but other weights share each block's
scale. A model that was rounded to blocks loses nothing when it is rounded to the same blocks again, so formats cannot
be compared on it. Permuted channels put weights of many former blocks into each new one, which a format sees as
weights that were never rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from cg2_quantize.errors import QuantizeError
from cg2_quantize.formats.nf4 import restore_nf4
from cg2_quantize.formats.rounding import Blocks, restore_blocks, restore_int8, restore_levels
from cg2_quantize.graph.builder import read_initializers
from cg2_quantize.graph.graph_weights import EMBEDDING, HEAD, LAST_NORM, QKV, find_layout
from cg2_quantize.planning.machine import check_output, check_space
from cg2ls.files import replacing_folder
from cg2ls.models.codegen2 import CodeGenConfig, CodeTokenizer, write_checkpoint
from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.codegen2.tensor_layout import fuse_qkv, split_qkv
from cg2ls.models.folder.description import GRAPH, TOKENIZER, ModelDescription
from cg2ls.models.folder.facts import Facts
from cg2ls.models.folder.verify import verify_folder
from cg2ls.models.int4 import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32


TRANSFORMERS_GROUPS = 4
"""Number of qkv groups that `transformers` assumes for every checkpoint."""


def dequantize(
    folder: Path, checkpoint: Path, *, force: bool = False, shuffle: bool = False
) -> CodeGenConfig:
    """Write the checkpoint of a model folder, in float32, with a cg2ls.json.

    The fused projection is written in 4 groups, as `transformers` reads it. If the heads do not divide by 4, it has
    the number of groups of the model's source.

    Args:
        folder: a model folder.
        checkpoint: the checkpoint folder to make.
        force: whether to replace a checkpoint that is there.
        shuffle: whether to change the order of channels (see `shuffle_channels`).

    Returns:
        The configuration that was written.

    Raises:
        Cg2Error: the model folder is damaged, the output exists, or the disk is too full.
    """
    check_output(checkpoint, force=force, proof="config.json")
    model = ModelDescription.read(folder)
    verify_folder(folder)
    config = _read_config(folder, model)
    check_space(checkpoint, 4 * config.n_parameters)
    tokenizer = CodeTokenizer.load(folder / TOKENIZER, model.tokens)
    stored = StoredWeights(read_initializers(folder / GRAPH), str(folder / GRAPH))
    with replacing_folder(checkpoint, proof="config.json") as new:
        tensors = dict(restore_checkpoint_tensors(stored, config))
        write_checkpoint(
            new,
            config,
            shuffle_channels(tensors, config) if shuffle else tensors,
            tokenizer.to_json(),
            end_of_text_id=model.tokens.end_of_text,
        )
        Facts.of_model(model).write(new)
    return config


@dataclass(frozen=True)
class StoredWeights:
    """Weights by the readable names of a graph's initializers, in any precision.

    Attributes:
        tensors: initializers by name.
        origin: the graph's path, for errors.
    """

    tensors: Mapping[str, npt.NDArray[Any]]
    origin: str

    def matrix(self, name: str, inputs: int) -> Float32:
        """Return the matrix [inputs, outputs] of a product."""
        if (plain := self.tensors.get(f"{name}.weight")) is not None:
            return np.asarray(plain, np.float32)
        if (packed := self.tensors.get(f"{name}.weight_nf4")) is not None:
            return restore_nf4(packed, np.asarray(self._get(f"{name}.weight_largest"), np.float32), inputs)
        if (levels := self.tensors.get(f"{name}.weight_levels")) is not None:
            zero_points = self._get(f"{name}.weight_zero_points")
            return restore_levels(levels, self._get(f"{name}.weight_scales"), zero_points, BLOCK_SIZE)
        if f"{name}.weight_scales" not in self.tensors:
            return restore_int8(self._get(f"{name}.weight_int8"), self._get(f"{name}.weight_scale"))
        bits = 4 if f"{name}.weight_int4" in self.tensors else 8
        packed = self._get(f"{name}.weight_int{bits}")
        scales = np.asarray(self._get(f"{name}.weight_scales"), np.float32)
        return restore_blocks(Blocks(packed, scales, self._get(f"{name}.weight_zero_points"), inputs, bits))

    def embedding(self, name: str) -> Float32:
        """Return the rows [vocabulary, n_embd] of the embedding."""
        if f"{name}.weight_scales" not in self.tensors:
            return self.matrix(name, 0)
        levels = self._get(f"{name}.weight_int8")
        rows, width = levels.shape
        scales = np.asarray(self._get(f"{name}.weight_scales"), np.float32)
        padded = np.pad(levels, ((0, 0), (0, -width % scales.shape[1])))
        packed = padded.reshape(rows, scales.shape[1], -1)
        blocks = Blocks(packed, scales, self._get(f"{name}.weight_zero_points"), width, 8)
        return restore_blocks(blocks).T

    def vector(self, name: str) -> Float32:
        """Return a bias or a norm's scale."""
        return np.asarray(self._get(name), np.float32)

    def _get(self, name: str) -> npt.NDArray[Any]:
        if name not in self.tensors:
            raise QuantizeError(f"{self.origin} has no weight {name}; it was not written by cg2-quantize.")
        return self.tensors[name]


def restore_checkpoint_tensors(stored: StoredWeights, config: CodeGenConfig) -> Mapping[str, Float32]:
    """Restore every tensor of the checkpoint, by its published name."""
    layout = find_layout(config)
    shapes = layout.shapes(config)
    parts = ("weight", "bias") if layout.has_shifts else ("weight",)
    vectors = [f"{LAST_NORM}.{part}" for part in parts] + ([f"{HEAD}.bias"] if layout.has_shifts else [])
    matrices = {HEAD: config.n_embd}
    tensors = {layout.source(f"{EMBEDDING}.weight"): stored.embedding(EMBEDDING)}
    for layer in range(config.n_layer):
        here = f"model.layers.{layer}"
        rows = stored.matrix(f"{here}.{QKV}", config.n_embd).T
        tensors |= layout.write_qkv(rows, config, layer)
        if config.has_qkv_bias:
            tensors |= layout.write_qkv(stored.vector(f"{here}.{QKV}.bias"), config, layer)
        matrices |= {f"{here}.{name}": inputs for name, (inputs, _) in shapes.items() if name != QKV}
        vectors += [f"{here}.{norm}.{part}" for norm in layout.norms for part in parts]
        vectors += [f"{here}.{bias}" for bias in layout.biases]
    tensors |= {
        layout.source(f"{name}.weight"): stored.matrix(name, inputs).T for name, inputs in matrices.items()
    }
    return tensors | {layout.source(name): stored.vector(name) for name in vectors}


def _read_config(folder: Path, model: ModelDescription) -> CodeGenConfig:
    shape = model.architecture
    return CodeGenConfig(
        n_layer=shape.n_layer,
        n_embd=shape.n_embd,
        n_head=shape.n_head,
        n_kv_head=shape.n_kv_head,
        rotary_base=shape.rotary_base,
        rotary_scaling=shape.rotary_scaling,
        rotary_dim=shape.rotary_dim,
        n_positions=model.context_length,
        vocab_size=shape.vocab_size,
        n_inner=shape.n_inner,
        qkv_groups=_choose_groups(model),
        layer_norm_epsilon=_read_epsilon(folder / GRAPH),
        family=model.family,
    )


def _choose_groups(model: ModelDescription) -> int:
    shape = model.architecture
    if model.family != CODEGEN2 or shape.n_head % TRANSFORMERS_GROUPS:
        return shape.qkv_groups
    return TRANSFORMERS_GROUPS


def _read_epsilon(graph_path: Path) -> float:
    """Read the norms' epsilon, which only the graph contains."""
    graph = onnx.load(str(graph_path), load_external_data=False).graph
    found = [a.f for node in graph.node for a in node.attribute if a.name == "epsilon"]
    found += [
        numpy_helper.to_array(t).item() for t in graph.initializer if t.name == "constants.norm.epsilon"
    ]
    if not found:
        raise QuantizeError(f"{graph_path} has no norm; it was not written by cg2-quantize.")
    return float(np.format_float_positional(np.float32(found[0]), unique=True))


@dataclass(frozen=True)
class _Order:
    """A permutation of channels."""

    index: npt.NDArray[np.int64]

    def rows(self, values: Float32) -> Float32:
        return values[self.index]

    def columns(self, values: Float32) -> Float32:
        return values[:, self.index]


def shuffle_channels(
    tensors: Mapping[str, Float32], config: CodeGenConfig, *, seed: int = 0
) -> dict[str, Float32]:
    """Permute the residual stream's channels, the MLPs' inner channels, and each head's value channels.

    Args:
        tensors: every tensor of a CodeGen2 checkpoint, by its published name.
        config: the checkpoint's shape.
        seed: seed of the permutations.

    Returns:
        Tensors of the same function: logits differ by rounding of sums only.

    Raises:
        QuantizeError: the checkpoint is of another family.
    """
    if config.family != CODEGEN2:
        raise QuantizeError(
            f"channels of {config.family} checkpoints cannot be shuffled; give a CodeGen2 one."
        )
    random = np.random.default_rng(seed)
    stream = _Order(random.permutation(config.n_embd))
    found = dict(tensors)
    for name in ("transformer.wte.weight", "lm_head.weight"):
        found[name] = stream.columns(tensors[name])
    for name in ("transformer.ln_f.weight", "transformer.ln_f.bias"):
        found[name] = stream.rows(tensors[name])
    for layer in range(config.n_layer):
        here = f"transformer.h.{layer}"
        inner, values = _Order(random.permutation(config.n_inner)), _Order(_order_in_heads(config, random))
        for part in ("weight", "bias"):
            found[f"{here}.ln_1.{part}"] = stream.rows(tensors[f"{here}.ln_1.{part}"])
            found[f"{here}.mlp.fc_in.{part}"] = inner.rows(tensors[f"{here}.mlp.fc_in.{part}"])
            found[f"{here}.mlp.fc_out.{part}"] = stream.rows(tensors[f"{here}.mlp.fc_out.{part}"])
        found[f"{here}.mlp.fc_in.weight"] = stream.columns(found[f"{here}.mlp.fc_in.weight"])
        found[f"{here}.mlp.fc_out.weight"] = inner.columns(found[f"{here}.mlp.fc_out.weight"])
        query, key, value = split_qkv(tensors[f"{here}.attn.qkv_proj.weight"], config.qkv_groups)
        query, key, value = (stream.columns(part) for part in (query, key, values.rows(value)))
        found[f"{here}.attn.qkv_proj.weight"] = fuse_qkv(query, key, value, config.qkv_groups)
        out = tensors[f"{here}.attn.out_proj.weight"]
        found[f"{here}.attn.out_proj.weight"] = values.columns(stream.rows(out))
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _order_in_heads(config: CodeGenConfig, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return an order of all heads' channels that leaves each channel in its head."""
    size = config.head_dim
    return np.concatenate([head * size + random.permutation(size) for head in range(config.n_head)])
