"""A CodeGen checkpoint as a GGUF file that llama.cpp runs.

llama.cpp has no CodeGen. Its Phi-2 graph is the same network once the rotated channels are reordered: one layer norm
before attention and MLP in parallel, tanh GELU, an output bias. Phi-2's further biases are zero here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

from cg2_quantize.graph.graph_weights import GraphWeights
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cg2_quantize.formats.rounding import Float32

MODEL = "model.gguf"

MATRICES = gguf.GGMLQuantizationType.Q8_0
"""Eight bits in blocks of 32 with a float16 scale: llama.cpp's format nearest to int8."""


def convert(checkpoint: Path, folder: Path) -> None:
    """Write a checkpoint as `folder`/model.gguf, matrices in Q8_0.

    Args:
        checkpoint: in the Hugging Face layout.
        folder: gets the file.
    """
    source = Checkpoint.open(checkpoint)
    config, weights = source.config, GraphWeights(source)
    writer = gguf.GGUFWriter(folder / MODEL, "phi2")
    _describe(writer, config)
    _matrix(writer, "token_embd.weight", weights.embedding())
    for layer in range(config.n_layer):
        _block(writer, config, weights, layer)
    _vectors(writer, weights, {"output_norm": "model.ln_f"})
    _matrix(writer, "output.weight", weights.head().T)
    writer.add_tensor("output.bias", weights.vector("lm_head.bias"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, config: CodeGenConfig) -> None:
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner)
    writer.add_block_count(config.n_layer)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_rope_dimension_count(config.rotary_dim)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config.vocab_size)


def _block(writer: gguf.GGUFWriter, config: CodeGenConfig, weights: GraphWeights, layer: int) -> None:
    here, there = f"blk.{layer}", f"model.layers.{layer}"
    _vectors(writer, weights, {f"{here}.attn_norm": f"{there}.ln_1"})
    query, key, value = np.split(weights.matrix(layer, "attn.qkv_proj").T, 3)
    order = compute_halves_order(config)
    _matrix(writer, f"{here}.attn_qkv.weight", np.concatenate([query[order], key[order], value]))
    writer.add_tensor(f"{here}.attn_qkv.bias", np.zeros(3 * config.n_embd, np.float32))
    _matrix(writer, f"{here}.attn_output.weight", weights.matrix(layer, "attn.out_proj").T)
    writer.add_tensor(f"{here}.attn_output.bias", np.zeros(config.n_embd, np.float32))
    _matrix(writer, f"{here}.ffn_up.weight", weights.matrix(layer, "mlp.fc_in").T)
    writer.add_tensor(f"{here}.ffn_up.bias", weights.vector(f"{there}.mlp.fc_in.bias"))
    _matrix(writer, f"{here}.ffn_down.weight", weights.matrix(layer, "mlp.fc_out").T)
    writer.add_tensor(f"{here}.ffn_down.bias", weights.vector(f"{there}.mlp.fc_out.bias"))


def compute_halves_order(config: CodeGenConfig) -> NDArray[np.int64]:
    """Return the rows of a query or key projection in Phi-2's order, [n_embd].

    CodeGen rotates adjacent channels of a head together, Phi-2 those half the rotated width apart.
    """
    rotated = np.arange(config.rotary_dim)
    head = np.concatenate([rotated[::2], rotated[1::2], np.arange(config.rotary_dim, config.head_dim)])
    rows: NDArray[np.int64] = np.arange(config.n_head)[:, None] * config.head_dim + head
    return rows.ravel()


def _vectors(writer: gguf.GGUFWriter, weights: GraphWeights, norms: dict[str, str]) -> None:
    for name, source in norms.items():
        for part in ("weight", "bias"):
            writer.add_tensor(f"{name}.{part}", weights.vector(f"{source}.{part}"))


def _matrix(writer: gguf.GGUFWriter, name: str, matrix: Float32) -> None:
    writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(matrix), MATRICES), raw_dtype=MATRICES)
