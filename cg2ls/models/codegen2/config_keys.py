"""Known keys of a config.json: the values that our network supports, and keys that do not affect it.

A key in no table might change the network, so it is refused by name. Null means "not set" and is always accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cg2ls.models.codegen2.rotary import RotaryError, read_rotary

COMMON: dict[str, tuple[object, ...]] = {
    "tie_word_embeddings": (False, True),
    "is_encoder_decoder": (False,),
    "is_decoder": (False, True),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "pruned_heads": ({},),
    "attention_bias": (False,),
    "rotary_base": (10000.0,),
    "rotary_emb_base": (10000.0,),
    "use_sliding_window": (False,),
    "attn_logit_softcapping": (None,),
    "final_logit_softcapping": (None,),
}
"""Supported values of keys of all families; the first is the meaning of a missing key."""

CODEGEN2_VALUES: dict[str, tuple[object, ...]] = COMMON | {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"),
    "rope_scaling": (None,),
    "rope_theta": (10000.0,),
    "sliding_window": (None, 0),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "reorder_and_upcast_attn": (False, True),
    "parallel_residual": (True,),
    "use_parallel_residual": (True,),
}
"""The four names of GELU mean one function, its tanh form."""

LLAMA_VALUES: dict[str, tuple[object, ...]] = COMMON | {
    "sliding_window": (None, 0),
    "hidden_act": ("silu", "swish"),
    "mlp_bias": (False,),
    "partial_rotary_factor": (1.0,),
    "rope_interleaved": (False,),
    "use_qk_norm": (False,),
}

QWEN2_VALUES: dict[str, tuple[object, ...]] = COMMON | {
    "hidden_act": ("silu", "swish"),
    "use_mrope": (False,),
}
"""A width of the sliding window does not matter, since `use_sliding_window` must be false."""

CODEGEN2_SAME = {
    "n_ctx": "n_positions",
    "max_position_embeddings": "n_positions",
    "hidden_size": "n_embd",
    "num_attention_heads": "n_head",
    "num_key_value_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "intermediate_size": "n_inner",
}
"""Second names of a size, which must agree with the first name."""

CODEGEN2_READ = {
    *("n_layer", "n_embd", "n_head", "head_dim", "rotary_dim", "n_positions", "vocab_size", "n_inner"),
    *("layer_norm_epsilon", "qkv_groups"),
}
LLAMA_READ = {
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *(
        "intermediate_size",
        "max_position_embeddings",
        "vocab_size",
        "rms_norm_eps",
        "rope_theta",
        "rope_scaling",
    ),
}
"""Keys that the graph is built from."""

HARMLESS = {
    *(
        "model_type",
        "auto_map",
        "transformers_version",
        "tokenizer_class",
        "torch_dtype",
        "dtype",
        "use_cache",
    ),
    *("initializer_range", "gradient_checkpointing", "use_gradient_checkpointing", "pretraining_tp"),
    *("attn_pdrop", "embd_pdrop", "resid_pdrop", "attention_dropout", "hidden_dropout", "dropout"),
    *(
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "sep_token_id",
        "unk_token_id",
        "decoder_start_token_id",
    ),
    *("forced_bos_token_id", "forced_eos_token_id", "begin_suppress_tokens", "suppress_tokens", "prefix"),
    *("summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type"),
    *("summary_use_proj", "task_specific_params", "finetuning_task", "problem_type"),
    *("id2label", "label2id", "num_labels", "return_dict", "return_dict_in_generate"),
    *("output_attentions", "output_hidden_states", "output_scores", "torchscript", "tf_legacy_loss"),
    *("use_bfloat16", "chunk_size_feed_forward", "cross_attention_hidden_size", "model_max_length"),
    *(
        "max_length",
        "min_length",
        "max_new_tokens",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
    ),
    *(
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
    ),
    *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences"),
    *("exponential_decay_length_penalty", "remove_invalid_values", "generation", "unsloth_version"),
    *("unsloth_fixed", "attn_implementation", "name_or_path", "license", "use_flash_attn"),
}
"""Keys about training, generation, other heads, and bookkeeping."""


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """Keys and values that a config.json of one model type may have.

    Attributes:
        name: the model type's name, for messages.
        architecture: the only class of `transformers` that has this network.
        values: supported values by key.
        same: second names of a size, by the first name they must agree with.
        read: keys that the graph is built from.
        width: key of the residual stream's width.
        heads: key of the number of attention heads.
        has_rotary_settings: whether the rotary base and its scaling are read.
    """

    name: str
    architecture: str
    values: Mapping[str, tuple[object, ...]]
    same: Mapping[str, str] = field(default_factory=dict)
    read: frozenset[str]
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    has_rotary_settings: bool = True


TABLES = {
    "codegen": KeyTable(
        name="CodeGen2",
        architecture="CodeGenForCausalLM",
        values=CODEGEN2_VALUES,
        same=CODEGEN2_SAME,
        read=frozenset(CODEGEN2_READ),
        width="n_embd",
        heads="n_head",
        has_rotary_settings=False,
    ),
    "llama": KeyTable(
        name="Llama", architecture="LlamaForCausalLM", values=LLAMA_VALUES, read=frozenset(LLAMA_READ)
    ),
    "qwen2": KeyTable(
        name="Qwen2",
        architecture="Qwen2ForCausalLM",
        values=QWEN2_VALUES,
        read=frozenset(LLAMA_READ | {"sliding_window", "max_window_layers"}),
    ),
}
"""Tables by `model_type`."""

OTHER_NETWORKS = {
    "num_experts": "a mixture of experts",
    "num_local_experts": "a mixture of experts",
    "n_routed_experts": "a mixture of experts",
    "vision_config": "a model of text and images",
    "audio_config": "a model of text and sound",
    "text_config": "a model of text and other media",
}
"""Keys that only networks of another kind have."""


def describe_other_network(raw: Mapping[str, Any]) -> str:
    """Return which unsupported kind of network a config.json describes; "" if it has no such key."""
    return next((kind for key, kind in OTHER_NETWORKS.items() if raw.get(key) is not None), "")


def find_config_mismatch(raw: Mapping[str, Any]) -> str:
    """Find a setting of config.json that the network of its family does not support; return a message, "" if none."""
    table = TABLES[str(raw["model_type"])]
    checks = (
        _architecture(raw, table),
        _values(raw, table.values, table.name),
        _second_names(raw, table.same),
        _head_dim(raw, table.width, table.heads),
        _rotary_settings(raw) if table.has_rotary_settings else _rotation(raw),
        _layers(raw, table.name),
    )
    known = {
        *table.values,
        *table.same,
        *table.read,
        *HARMLESS,
        "architectures",
        "rope_parameters",
        "layer_types",
    }
    return next((found for found in checks if found), _unknown(raw, known))


def _architecture(raw: Mapping[str, Any], table: KeyTable) -> str:
    expected, stated = table.architecture, raw.get("architectures")
    if stated in (None, [], [expected]):
        return ""
    return f"architectures is {stated!r}, but {table.name} is {[expected]!r}"


def _values(raw: Mapping[str, Any], values: Mapping[str, tuple[object, ...]], family: str) -> str:
    for key, allowed in values.items():
        found = raw.get(key)
        if found is not None and not any(_equal(found, value) for value in allowed):
            return f"{key} is {found!r}, but {family} has {allowed[0]!r}"
    return ""


def _equal(a: object, b: object) -> bool:
    """Compare two values; True is not equal to 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _second_names(raw: Mapping[str, Any], same: Mapping[str, str]) -> str:
    for second, first in same.items():
        found, expected = raw.get(second), raw.get(first)
        if first == "n_inner" and expected is None and isinstance(width := raw.get("n_embd"), int):
            expected = 4 * width  # what a missing n_inner means
        if found is not None and expected is not None and found != expected:
            return f"{second} is {found!r}, but {first} is {expected!r}"
    return ""


def _head_dim(raw: Mapping[str, Any], width: str, heads: str) -> str:
    found, channels, count = raw.get("head_dim"), raw.get(width), raw.get(heads)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        return f"head_dim is {found!r}, but must be a whole number"
    if not (isinstance(found, int) and isinstance(channels, int) and isinstance(count, int)):
        return ""
    if count < 1 or channels % count or found * count == channels:
        return ""
    return f"head_dim is {found}, but {width} {channels} over {heads} {count} is {channels // count}"


def _rotation(raw: Mapping[str, Any]) -> str:
    """Check the dictionary in which newer versions of transformers store the rotary embedding's settings."""
    settings = raw.get("rope_parameters")
    if settings is None:
        return ""
    if not isinstance(settings, Mapping):
        return f"rope_parameters is {settings!r}, but must be an object"
    expected: dict[str, object] = {"rope_theta": 10000.0, "rope_type": "default", "type": "default"}
    for key, found in settings.items():
        if found is not None and (key not in expected or found != expected[key]):
            wanted = (
                f"; only {expected[key]!r} can be read here"
                if key in expected
                else ", which is not known here"
            )
            return f"rope_parameters has {key} {found!r}{wanted}"
    return ""


def _rotary_settings(raw: Mapping[str, Any]) -> str:
    try:
        read_rotary(raw)
    except RotaryError as error:
        return str(error)
    return ""


def _layers(raw: Mapping[str, Any], family: str) -> str:
    kinds = raw.get("layer_types")
    if kinds is None or (isinstance(kinds, list) and all(kind == "full_attention" for kind in kinds)):
        return ""
    return f"layer_types is {str(kinds)[:60]}, but every layer of {family} has full attention"


def _unknown(raw: Mapping[str, Any], known: set[str]) -> str:
    for key, value in raw.items():
        if value is not None and key not in known and not key.startswith("_"):
            return (
                f"the key {key!r} ({str(value)[:40]}) is not known here and may change the network; if it does not,"
                " delete it from config.json or pass --ignore-key"
                f" {key}"
            )
    return ""
