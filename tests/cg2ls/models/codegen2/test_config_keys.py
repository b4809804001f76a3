"""Every value of a config.json about the network is compared with the network, and unknown keys are refused."""

from __future__ import annotations

from typing import Any

import pytest

from cg2ls.models.codegen2 import CodeGenConfig, ConfigError
from cg2ls.models.codegen2.config import CODEGEN2, CODEGEN25

CODEGEN2_1B: dict[str, Any] = {
    "_name_or_path": "checkpoints/codegen2-1B/",
    "activation_function": "gelu_new",
    "architectures": ["CodeGenForCausalLM"],
    "attn_pdrop": 0.0,
    "auto_map": {"AutoConfig": "configuration_codegen.CodeGenConfig"},
    "bos_token_id": 1,
    "embd_pdrop": 0.0,
    "eos_token_id": 2,
    "gradient_checkpointing": False,
    "head_dim": 128,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "codegen",
    "n_ctx": 2048,
    "n_embd": 2048,
    "n_head": 16,
    "n_inner": None,
    "n_layer": 16,
    "n_positions": 2048,
    "resid_pdrop": 0.0,
    "rotary_dim": 64,
    "scale_attn_weights": True,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50, "temperature": 1.0}},
    "tie_word_embeddings": False,
    "tokenizer_class": "GPT2Tokenizer",
    "torch_dtype": "float32",
    "transformers_version": "4.25.1",
    "use_cache": True,
    "vocab_size": 51200,
}
"""Keys and values of the published 1B."""

CODEGEN25_7B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 11008,
    "max_position_embeddings": 2048,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "pad_token_id": 0,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.45.2",
    "use_cache": True,
    "vocab_size": 51200,
}
"""Keys that different versions of transformers wrote for the published 7B."""


def test_the_published_files_are_read() -> None:
    assert CodeGenConfig.from_dict(CODEGEN2_1B).family == CODEGEN2
    assert CodeGenConfig.from_dict(CODEGEN25_7B).family == CODEGEN25


@pytest.mark.parametrize(
    "change",
    [
        {"activation_function": "gelu_pytorch_tanh"},
        {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}},
        {"dtype": "bfloat16", "torch_dtype": None},
        {"some_new_setting": None},
        {"layer_norm_epsilon": None, "head_dim": 128, "n_ctx": None},
        {"intermediate_size": 8192},
        {"_commit_hash": "abc"},
        {"id2label": {"0": "LABEL_0"}, "use_bfloat16": False, "pruned_heads": {}},
    ],
)
def test_keys_without_effect_are_accepted(change: dict[str, Any]) -> None:
    assert CodeGenConfig.from_dict(CODEGEN2_1B | change) == CodeGenConfig.from_dict(CODEGEN2_1B)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"activation_function": "relu"}, "activation_function is 'relu', but CodeGen2 has 'gelu_new'"),
        ({"activation_function": "gelu"}, "activation_function is 'gelu'"),
        ({"scale_attn_weights": False}, "scale_attn_weights is False"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ({"use_parallel_residual": False}, "use_parallel_residual"),
        ({"n_ctx": 1024}, "n_ctx is 1024, but n_positions is 2048"),
        ({"head_dim": 64}, "head_dim is 64, but n_embd 2048 over n_head 16 is 128"),
        ({"num_key_value_heads": 2}, "num_key_value_heads is 2, but n_head is 16"),
        ({"architectures": ["CodeGenForSequenceClassification"]}, "architectures is"),
        ({"rope_theta": 500000.0}, "rope_theta is 500000"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads is"),
        ({"sliding_window": 512}, "sliding_window is 512"),
        ({"alibi": True}, r"'alibi' \(True\) is not known here .*--ignore-key alibi"),
        ({"layer_norm_epsilon": 0.0}, "epsilon is 0.0"),
        ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon is '1e-5', but must be a number"),
        ({"layer_norm_epsilon": True}, "layer_norm_epsilon is True, but must be a number"),
        ({"layer_norm_epsilon": [1]}, "layer_norm_epsilon is .* but must be a number"),
        ({"intermediate_size": 4096}, "intermediate_size is 4096, but n_inner is 8192"),
        ({"head_dim": "128"}, "head_dim is '128', but must be a whole number"),
        ({"n_layer": 2.5}, "n_layer is 2.5, but must be a whole number"),
        ({"n_layer": True}, "n_layer is True, but must be a whole number"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantized already: GPTQ"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantized already: AWQ"),
        ({"quantization_config": {"load_in_8bit": True}}, "quantized already: bitsandbytes"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantized already: FP8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "quantized already: MXFP4"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"torch_dtype": "float8_e4m3fn"}, "quantized already: float8_e4m3fn"),
    ],
)
def test_unsupported_keys_are_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CodeGenConfig.from_dict(CODEGEN2_1B | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', but Llama has 'silu'"),
        ({"num_key_value_heads": 12}, "cannot share 12 heads of keys and values"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"head_dim": 64}, "head_dim is 64"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        ({"architectures": ["LlamaForTokenClassification"]}, "architectures"),
    ],
)
def test_another_llama_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CodeGenConfig.from_dict(CODEGEN25_7B | change)


def test_an_ignored_key_is_not_checked() -> None:
    config = CodeGenConfig.from_dict(CODEGEN2_1B | {"alibi": True}, ignored=["alibi"])
    assert config == CodeGenConfig.from_dict(CODEGEN2_1B)
