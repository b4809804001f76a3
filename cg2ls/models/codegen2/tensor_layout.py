"""CodeGen2.5's files: a config.json and tensors in the layout of Llama (Touvron et al. 2023, arXiv 2302.13971).

The network differs from CodeGen2's in its blocks: attention, then the MLP, each behind an RMS norm of its own, a gated
MLP, no biases. Llama turns channel i of a head together with channel i + head_dim / 2, CodeGen2 adjacent ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cg2ls.models.codegen2.config import CODEGEN25, CodeGenConfig

FloatArray = npt.NDArray[np.floating]


def tensor_shapes(config: CodeGenConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every weight, as published in `Salesforce/codegen2-*` and `codegen25-*`."""
    if config.family == CODEGEN25:
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
    """Names and shapes of every weight, as in `Salesforce/codegen25-*`."""
    d, inner, vocab = config.n_embd, config.n_inner, config.vocab_size
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, d)}
    for layer in range(config.n_layer):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.input_layernorm.weight": (d,)}
        shapes |= {f"{at}.self_attn.{part}_proj.weight": (d, d) for part in "qkvo"}
        shapes |= {
            f"{at}.post_attention_layernorm.weight": (d,),
            f"{at}.mlp.gate_proj.weight": (inner, d),
            f"{at}.mlp.up_proj.weight": (inner, d),
            f"{at}.mlp.down_proj.weight": (d, inner),
        }
    return shapes | {"model.norm.weight": (d,), "lm_head.weight": (vocab, d)}


def adjacent_pairs(rows: FloatArray, n_head: int) -> FloatArray:
    """Query or key rows [d, d] with the channels that are rotated together next to each other, as CodeGen2's are."""
    halves = rows.reshape(n_head, 2, -1, rows.shape[1])
    return np.ascontiguousarray(halves.transpose(0, 2, 1, 3)).reshape(rows.shape)


def split_pairs(rows: FloatArray, n_head: int) -> FloatArray:
    """Inverse of `adjacent_pairs`."""
    pairs = rows.reshape(n_head, -1, 2, rows.shape[1])
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3)).reshape(rows.shape)


def split_qkv(fused: FloatArray, groups: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Plain query, key and value matrices, each [d, d], from the fused [3 * d, d] with `groups` groups."""
    d = fused.shape[1]
    query, value, key = fused.reshape(groups, 3, d // groups, d).transpose(1, 0, 2, 3).reshape(3, d, d)
    return query, key, value


def fuse_qkv(query: FloatArray, key: FloatArray, value: FloatArray, groups: int) -> FloatArray:
    """Inverse of `split_qkv`: the fused [3 * d, d] with `groups` groups."""
    d = query.shape[1]
    stacked = np.stack([query, value, key]).reshape(3, groups, d // groups, d)
    return stacked.transpose(1, 0, 2, 3).reshape(3 * d, d)


def regroup_qkv(fused: FloatArray, groups: int, new_groups: int) -> FloatArray:
    """The same projection laid out with another number of groups (8 -> 4 for `transformers`)."""
    query, key, value = split_qkv(fused, groups)
    return fuse_qkv(query, key, value, new_groups)
