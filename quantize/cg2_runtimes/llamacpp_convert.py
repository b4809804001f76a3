"""A checkpoint as a GGUF file that llama.cpp runs.

llama.cpp has no CodeGen. Its Phi-2 graph is the same network once the rotated channels are reordered: one layer norm
before attention and MLP in parallel, tanh GELU, an output bias. Phi-2's further biases are zero here. Llama and Qwen2
are networks of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

from cg2_quantize.graph.graph_weights import QKV, GraphWeights
from cg2_runtimes.llamacpp_rounding import EightBits, FourBits, Rounding
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig
from cg2ls.models.codegen2.config import CODEGEN2, QWEN2

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cg2_quantize.formats.rounding import Float32

Json = dict[str, Any]

MODEL = "model.gguf"

TOKENIZER = "tokenizer.json"

NORMAL, CONTROL, UNUSED = 1, 3, 5
"""Types of tokens in the file."""


def convert(checkpoint: Path, folder: Path, precision: str = "int8") -> None:
    """Write a checkpoint as `folder`/model.gguf, matrices in Q8_0, or in Q4_K_M to compare with four bits.

    Args:
        checkpoint: in the Hugging Face layout, with its tokenizer.json.
        folder: gets the file.
        precision: of the model folder that is compared.

    Raises:
        QuantizeError: four bits are asked for, and no installed package has llama.cpp's code.
    """
    source = Checkpoint.open(checkpoint)
    rounding: Rounding = FourBits(source.config.n_layer) if precision == "int4" else EightBits()
    write = _write_phi2 if source.config.family == CODEGEN2 else _write_llama
    write(source, json.loads((checkpoint / TOKENIZER).read_text("utf-8")), folder / MODEL, rounding)


def _write_llama(source: Checkpoint, tokenizer: Json, path: Path, rounding: Rounding) -> None:
    """Write Llama's or Qwen2's network. llama.cpp rotates adjacent channels in the former, halves in the latter."""
    config, weights = source.config, GraphWeights(source)
    architecture = "qwen2" if config.family == QWEN2 else "llama"
    writer = gguf.GGUFWriter(path, architecture)
    _describe_sizes(writer, config)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    writer.add_rope_freq_base(config.rotary_base)
    writer.add_rope_dimension_count(config.rotary_dim)

    _add_vocabulary(writer, tokenizer, config.vocab_size)

    def matrix(name: str, values: Float32) -> None:
        _matrix(writer, name, values, rounding)

    matrix("token_embd.weight", weights.embedding())
    for layer in range(config.n_layer):
        here, there = f"blk.{layer}", f"model.layers.{layer}"
        writer.add_tensor(f"{here}.attn_norm.weight", weights.vector(f"{there}.ln_1.weight"))
        writer.add_tensor(f"{here}.ffn_norm.weight", weights.vector(f"{there}.ln_2.weight"))
        cuts = [config.n_embd, config.n_embd + config.kv_width]
        turned = dict(zip("qkv", np.split(weights.matrix(layer, QKV).T, cuts), strict=True))
        for part in "qkv":
            name = f"{there}.self_attn.{part}_proj"
            rows = turned[part] if architecture == "llama" else source.tensor(f"{name}.weight")
            matrix(f"{here}.attn_{part}.weight", rows)
            if config.has_qkv_bias:
                writer.add_tensor(f"{here}.attn_{part}.bias", source.tensor(f"{name}.bias"))
        matrix(f"{here}.attn_output.weight", weights.matrix(layer, "attn.out_proj").T)
        for part in ("gate", "up", "down"):
            matrix(f"{here}.ffn_{part}.weight", weights.matrix(layer, f"mlp.{part}_proj").T)
    writer.add_tensor("output_norm.weight", weights.vector("model.ln_f.weight"))
    matrix("output.weight", weights.head().T)
    _close(writer)


def _close(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_phi2(source: Checkpoint, tokenizer: Json, path: Path, rounding: Rounding) -> None:
    config, weights = source.config, GraphWeights(source)
    writer = gguf.GGUFWriter(path, "phi2")
    _describe(writer, config)
    _add_vocabulary(writer, tokenizer, config.vocab_size)
    _matrix(writer, "token_embd.weight", weights.embedding(), rounding)
    for layer in range(config.n_layer):
        _block(writer, config, weights, layer, rounding)
    _vectors(writer, weights, {"output_norm": "model.ln_f"})
    _matrix(writer, "output.weight", weights.head().T, rounding)
    writer.add_tensor("output.bias", weights.vector("lm_head.bias"))
    _close(writer)


def _describe(writer: gguf.GGUFWriter, config: CodeGenConfig) -> None:
    _describe_sizes(writer, config)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_rope_dimension_count(config.rotary_dim)


def _describe_sizes(writer: gguf.GGUFWriter, config: CodeGenConfig) -> None:
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner)
    writer.add_block_count(config.n_layer)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.kv_heads)


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Json, vocab_size: int) -> None:
    """Write the texts of tokens: llama.cpp's server answers in text, even where prompts are ids."""
    model = tokenizer["model"]
    texts, kinds = [f"[unused {number}]" for number in range(vocab_size)], [UNUSED] * vocab_size
    known = [(text, number, NORMAL) for text, number in model["vocab"].items()]
    known += [(added["content"], added["id"], CONTROL) for added in tokenizer.get("added_tokens", ())]
    for text, number, kind in known:
        if number < vocab_size:
            texts[number], kinds[number] = text, kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    )


def _block(
    writer: gguf.GGUFWriter, config: CodeGenConfig, weights: GraphWeights, layer: int, rounding: Rounding
) -> None:
    here, there = f"blk.{layer}", f"model.layers.{layer}"
    _vectors(writer, weights, {f"{here}.attn_norm": f"{there}.ln_1"})
    query, key, value = np.split(weights.matrix(layer, "attn.qkv_proj").T, 3)
    order = compute_halves_order(config)
    _matrix(writer, f"{here}.attn_qkv.weight", np.concatenate([query[order], key[order], value]), rounding)
    writer.add_tensor(f"{here}.attn_qkv.bias", np.zeros(3 * config.n_embd, np.float32))
    _matrix(writer, f"{here}.attn_output.weight", weights.matrix(layer, "attn.out_proj").T, rounding)
    writer.add_tensor(f"{here}.attn_output.bias", np.zeros(config.n_embd, np.float32))
    _matrix(writer, f"{here}.ffn_up.weight", weights.matrix(layer, "mlp.fc_in").T, rounding)
    writer.add_tensor(f"{here}.ffn_up.bias", weights.vector(f"{there}.mlp.fc_in.bias"))
    _matrix(writer, f"{here}.ffn_down.weight", weights.matrix(layer, "mlp.fc_out").T, rounding)
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


def _matrix(writer: gguf.GGUFWriter, name: str, matrix: Float32, rounding: Rounding) -> None:
    packed, kind = rounding.round(name, matrix)
    writer.add_tensor(name, packed, raw_dtype=kind)
