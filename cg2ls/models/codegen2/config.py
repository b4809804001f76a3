"""Shape of a CodeGen2 or CodeGen2.5 model, read from and written to a Hugging Face `config.json`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.config_keys import find_config_mismatch
from cg2ls.models.codegen2.quantized import find_method_in_config

CODEGEN2, CODEGEN25 = "codegen2", "codegen2.5"
FAMILIES = (CODEGEN2, CODEGEN25)
"""Names of the two networks; that of CodeGen2.5 is Llama's."""

PUBLISHED_GROUPS = {128: 8, 256: 8}
"""Groups by the explicit `head_dim` key. Salesforce's 1B (128) and 3.7B (256) have the key and were laid out for 8 TPU
cores; the 7B and 16B do not have it and were laid out for 4."""


GROUPS_KEY = "qkv_groups"
"""Our own key in config.json; no published file has it."""

ROTARY_BASE = 10000.0
"""Frequencies of the rotary embedding are ROTARY_BASE^(-2i / rotary_dim)."""


class ConfigError(Cg2Error):
    """A config.json of another model family, or one that contradicts itself."""


@dataclass(frozen=True, kw_only=True)
class CodeGenConfig:
    """Architecture of one model.

    Attributes:
        n_layer: number of blocks of attention and MLP.
        n_embd: width of the residual stream.
        n_head: attention heads; `head_dim` = n_embd / n_head.
        rotary_dim: leading channels of each head that are rotated; all of them in CodeGen2.5.
        n_positions: longest sequence in tokens.
        vocab_size: rows of the embedding and of the output head.
        n_inner: width of the MLP.
        qkv_groups: groups in the rows of the fused `qkv_proj`; inside a group the order is query, value, key.
            1 for CodeGen2.5, whose checkpoints have three separate matrices.
        layer_norm_epsilon: added to the variance (CodeGen2.5: the mean square) in every norm.
        family: one of `FAMILIES`.
        tied: whether the head multiplies by the embedding, so that the checkpoint may lack the head's matrix.
    """

    n_layer: int
    n_embd: int
    n_head: int
    rotary_dim: int
    n_positions: int
    vocab_size: int
    n_inner: int
    qkv_groups: int = 4
    layer_norm_epsilon: float = 1e-5
    family: str = CODEGEN2
    tied: bool = False

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_embd", "n_head", "rotary_dim", "n_positions", "vocab_size", "n_inner"):
            if getattr(self, name) < 1:
                raise ConfigError(f"config.json: {name} is {getattr(self, name)}, but must be at least 1.")
        if not (math.isfinite(self.layer_norm_epsilon) and self.layer_norm_epsilon > 0):
            raise ConfigError(
                f"config.json: the norms' epsilon is {self.layer_norm_epsilon}, but must be a small positive number."
            )
        if self.n_embd % self.n_head:
            raise ConfigError(f"config.json: n_embd {self.n_embd} is not divisible by n_head {self.n_head}.")
        if self.rotary_dim > self.head_dim or self.rotary_dim % 2:
            raise ConfigError(
                f"config.json: rotary_dim {self.rotary_dim} must be even and at most the head size {self.head_dim}."
            )
        if self.qkv_groups < 1 or self.n_head % self.qkv_groups:
            raise ConfigError(
                f"qkv groups: {self.n_head} heads cannot be split into {self.qkv_groups} groups;"
                " choose a divisor with --qkv-groups."
            )

    @property
    def head_dim(self) -> int:
        """Channels per attention head."""
        return self.n_embd // self.n_head

    @property
    def n_parameters(self) -> int:
        """Trainable parameters, embedding and untied head (CodeGen2: with its bias) included."""
        d, inner = self.n_embd, self.n_inner
        if self.family == CODEGEN25:
            return self.n_layer * (2 * d + 4 * d * d + 3 * d * inner) + 2 * self.vocab_size * d + d
        block = 2 * d + 4 * d * d + 2 * d * inner + inner + d
        return self.n_layer * block + 2 * self.vocab_size * d + self.vocab_size + 2 * d

    @classmethod
    def from_dict(
        cls, raw: Mapping[str, Any], qkv_groups: int | None = None, *, ignored: Collection[str] = ()
    ) -> CodeGenConfig:
        """Read the keys of a Hugging Face config.json; `eos_token_id` is not used.

        Args:
            raw: the parsed file.
            qkv_groups: overrides the number that the file implies (see `infer_qkv_groups`).
            ignored: keys that the user declared to be harmless.

        Raises:
            ConfigError: another model family, quantized weights, a missing key, a contradiction, or an unknown key
                that may change the network.
        """
        raw = {key: value for key, value in raw.items() if key not in ignored}
        readers = {"codegen": _codegen2, "llama": _codegen25}
        if str(kind := raw.get("model_type")) not in readers:
            raise ConfigError(
                f"config.json: model_type is {kind!r}, but only 'codegen' (CodeGen2) and 'llama' (CodeGen2.5)"
                " can be read here."
            )
        if method := find_method_in_config(raw):
            raise ConfigError(
                f"The checkpoint is quantized already: {method}; convert the float checkpoint it was made from."
            )
        if problem := find_config_mismatch(raw):
            raise ConfigError(f"config.json: {problem}.")
        try:
            return readers[str(kind)](raw, qkv_groups)
        except KeyError as missing:
            raise ConfigError(f"config.json: the key {missing.args[0]!r} is missing.") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"config.json: a value has the wrong type ({error}).") from None

    def to_dict(self, *, end_of_text_id: int) -> dict[str, Any]:
        """Return the Hugging Face config.json of this model, with the real ids of begin and end (not 1 and 2)."""
        shape = _llama_dict(self) if self.family == CODEGEN25 else self._codegen_dict()
        return shape | {
            "initializer_range": 0.02,
            "tie_word_embeddings": False,
            "bos_token_id": end_of_text_id,
            "eos_token_id": end_of_text_id,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "torch_dtype": "float32",
        }

    def _codegen_dict(self) -> dict[str, Any]:
        return {
            "architectures": ["CodeGenForCausalLM"],
            "model_type": "codegen",
            "activation_function": "gelu_new",
            "n_layer": self.n_layer,
            "n_embd": self.n_embd,
            "n_head": self.n_head,
            "n_inner": self.n_inner,
            "rotary_dim": self.rotary_dim,
            "n_positions": self.n_positions,
            "n_ctx": self.n_positions,
            "vocab_size": self.vocab_size,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            GROUPS_KEY: self.qkv_groups,
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
        }


def _codegen2(raw: Mapping[str, Any], qkv_groups: int | None) -> CodeGenConfig:
    n_embd = _whole(raw, "n_embd")
    return CodeGenConfig(
        n_layer=_whole(raw, "n_layer"),
        n_embd=n_embd,
        n_head=_whole(raw, "n_head"),
        rotary_dim=_whole(raw, "rotary_dim"),
        n_positions=_whole(raw, "n_positions"),
        vocab_size=_whole(raw, "vocab_size"),
        n_inner=4 * n_embd if raw.get("n_inner") is None else _whole(raw, "n_inner"),
        qkv_groups=qkv_groups if qkv_groups is not None else infer_qkv_groups(raw),
        layer_norm_epsilon=float(raw.get("layer_norm_epsilon", 1e-5)),
        tied=bool(raw.get("tie_word_embeddings")),
    )


def _codegen25(raw: Mapping[str, Any], qkv_groups: int | None) -> CodeGenConfig:
    if qkv_groups not in (None, 1):
        raise ConfigError(
            "qkv groups: CodeGen2.5 keeps queries, keys and values apart; leave --qkv-groups out."
        )
    return CodeGenConfig(**_llama_shape(raw), qkv_groups=1, family=CODEGEN25)


def _llama_shape(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of `CodeGenConfig` from Llama's keys; the whole head is rotated."""
    width, heads = _whole(raw, "hidden_size"), _whole(raw, "num_attention_heads")
    return {
        "n_layer": _whole(raw, "num_hidden_layers"),
        "n_embd": width,
        "n_head": heads,
        "rotary_dim": width // max(1, heads),
        "n_positions": _whole(raw, "max_position_embeddings"),
        "vocab_size": _whole(raw, "vocab_size"),
        "n_inner": _whole(raw, "intermediate_size"),
        "layer_norm_epsilon": float(raw.get("rms_norm_eps", 1e-6)),
        "tied": bool(raw.get("tie_word_embeddings")),
    }


def _llama_dict(config: CodeGenConfig) -> dict[str, Any]:
    """Return the keys of config.json that only CodeGen2.5 has; `CodeGenConfig.to_dict` adds the others."""
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


def infer_qkv_groups(raw: Mapping[str, Any]) -> int:
    """Infer the qkv groups from our own `qkv_groups` key, else by the published rule on `head_dim`.

    Tensor shapes are the same for every number of groups, so a conversion should check its result as well.
    """
    if GROUPS_KEY in raw:
        return _whole(raw, GROUPS_KEY)
    return PUBLISHED_GROUPS.get(0 if raw.get("head_dim") is None else _whole(raw, "head_dim"), 4)


def _whole(raw: Mapping[str, Any], key: str) -> int:
    """Return a whole number from a config.json.

    Raises:
        KeyError: the key is missing.
        TypeError: the value is not a whole number.
    """
    value: object = raw[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{key} is {value!r}, but must be a whole number")
    return value
