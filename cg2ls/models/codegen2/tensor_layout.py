"""Names, shapes and row orders of the tensors in checkpoints.

CodeGen2.5 has the tensors of Llama (Touvron et al. 2023, arXiv 2302.13971). Its blocks differ from CodeGen2's:
attention and then a gated MLP, each after an RMS norm of its own, and no biases. Llama rotates channel i of a head
together with channel i + head_dim / 2, CodeGen2 rotates adjacent channels. Qwen2 has Llama's tensors and biases of
queries, keys and values.

The rows of CodeGen2's `qkv_proj.weight` ([3 * d, d]) come in groups, one per TPU core of the machine the model was
trained on. Inside a group the order is query, value, key. Shapes do not show the number of groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cg2ls.models.codegen2.config import CODEGEN2, CodeGenConfig

FloatArray = npt.NDArray[np.floating]


def tensor_shapes(config: CodeGenConfig) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of every weight, as published in `Salesforce/codegen2-*` and `codegen25-*`."""
    if config.family != CODEGEN2:
        return llama_shapes(config)
    d, inner, vocab = config.n_embd, config.n_inner, config.vocab_size
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (vocab, d)}
    for layer in range(config.n_layer):
        at = f"transformer.h.{layer}"
        shapes |= {
            f"{at}.ln_1.weight": (d,),
            f"{at}.ln_1.bias": (d,),
            f"{at}.attn.qkv_proj.weight": (3 * d, d),
            f"{at}.attn.out_proj.weight": (d, d),
            f"{at}.mlp.fc_in.weight": (inner, d),
            f"{at}.mlp.fc_in.bias": (inner,),
            f"{at}.mlp.fc_out.weight": (d, inner),
            f"{at}.mlp.fc_out.bias": (d,),
        }
    return shapes | {
        "transformer.ln_f.weight": (d,),
        "transformer.ln_f.bias": (d,),
        "lm_head.weight": (vocab, d),
        "lm_head.bias": (vocab,),
    }


def llama_shapes(config: CodeGenConfig) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of every weight, as in `Salesforce/codegen25-*` and `Qwen/Qwen2.5-Coder-*`."""
    d, inner, vocab = config.n_embd, config.n_inner, config.vocab_size
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, d)}
    for layer in range(config.n_layer):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.input_layernorm.weight": (d,)}
        rows = {"q": d, "k": config.kv_width, "v": config.kv_width}
        shapes |= {
            f"{at}.self_attn.{part}_proj.weight": (count, d) for part, count in {**rows, "o": d}.items()
        }
        if config.has_qkv_bias:
            shapes |= {f"{at}.self_attn.{part}_proj.bias": (count,) for part, count in rows.items()}
        shapes |= {
            f"{at}.post_attention_layernorm.weight": (d,),
            f"{at}.mlp.gate_proj.weight": (inner, d),
            f"{at}.mlp.up_proj.weight": (inner, d),
            f"{at}.mlp.down_proj.weight": (d, inner),
        }
    return shapes | {"model.norm.weight": (d,), "lm_head.weight": (vocab, d)}


def adjacent_pairs(rows: FloatArray, n_head: int) -> FloatArray:
    """Reorder Llama's query or key rows so that channels that rotate together are adjacent, as in CodeGen2.

    Args:
        rows: [n_head * head_dim, anything], or [n_head * head_dim] of a bias.
        n_head: heads among the rows.
    """
    halves = rows.reshape(n_head, 2, rows.shape[0] // n_head // 2, -1)
    return np.ascontiguousarray(halves.transpose(0, 2, 1, 3)).reshape(rows.shape)


def split_pairs(rows: FloatArray, n_head: int) -> FloatArray:
    """Reorder query or key rows back; the inverse of `adjacent_pairs`."""
    pairs = rows.reshape(n_head, rows.shape[0] // n_head // 2, 2, -1)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3)).reshape(rows.shape)


def split_qkv(fused: FloatArray, groups: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Split the fused [3 * d, d] with `groups` groups into query, key and value, each [d, d]."""
    d = fused.shape[1]
    query, value, key = fused.reshape(groups, 3, d // groups, d).transpose(1, 0, 2, 3).reshape(3, d, d)
    return query, key, value


def fuse_qkv(query: FloatArray, key: FloatArray, value: FloatArray, groups: int) -> FloatArray:
    """Fuse query, key and value into [3 * d, d] with `groups` groups; the inverse of `split_qkv`."""
    d = query.shape[1]
    stacked = np.stack([query, value, key]).reshape(3, groups, d // groups, d)
    return stacked.transpose(1, 0, 2, 3).reshape(3 * d, d)


def regroup_qkv(fused: FloatArray, groups: int, new_groups: int) -> FloatArray:
    """Reorder a fused projection for another number of groups (8 -> 4 for `transformers`)."""
    query, key, value = split_qkv(fused, groups)
    return fuse_qkv(query, key, value, new_groups)
