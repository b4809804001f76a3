"""CodeGen2.5's files: a config.json and tensors in the layout of Llama (Touvron et al. 2023, arXiv 2302.13971).

The network differs from CodeGen2's in its blocks: attention, then the MLP, each behind an RMS norm of its own, a gated
MLP, no biases. Llama turns channel i of a head together with channel i + head_dim / 2, CodeGen2 adjacent ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cg2ls.models.codegen2.config import CodeGenConfig

FloatArray = npt.NDArray[np.floating]


def whole(raw: Mapping[str, Any], key: str) -> int:
    """A whole number from a config.json.

    Raises:
        KeyError: it is missing.
        TypeError: it is something else.
    """
    value: object = raw[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{key} is {value!r}, but must be a whole number")
    return value


def shape_from_llama(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `CodeGenConfig` from Llama's keys; the whole head is rotated."""
    width, heads = whole(raw, "hidden_size"), whole(raw, "num_attention_heads")
    return {
        "n_layer": whole(raw, "num_hidden_layers"),
        "n_embd": width,
        "n_head": heads,
        "rotary_dim": width // max(1, heads),
        "n_positions": whole(raw, "max_position_embeddings"),
        "vocab_size": whole(raw, "vocab_size"),
        "n_inner": whole(raw, "intermediate_size"),
        "layer_norm_epsilon": float(raw.get("rms_norm_eps", 1e-6)),
        "tied": bool(raw.get("tie_word_embeddings")),
    }


def llama_dict(config: CodeGenConfig) -> dict[str, Any]:
    """The part of a CodeGen2.5 model's config.json that is its own; `CodeGenConfig.to_dict` has the rest."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "num_hidden_layers": config.n_layer,
        "hidden_size": config.n_embd,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.n_head,
        "intermediate_size": config.n_inner,
        "max_position_embeddings": config.n_positions,
        "vocab_size": config.vocab_size,
        "rms_norm_eps": config.layer_norm_epsilon,
        "rope_theta": 10000.0,
        "attention_bias": False,
        "mlp_bias": False,
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
