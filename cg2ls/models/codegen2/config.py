"""Shape of a model, read from and written to a Hugging Face `config.json`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.config_keys import TABLES, describe_other_network, find_config_mismatch
from cg2ls.models.codegen2.quantized import find_method_in_config
from cg2ls.models.codegen2.rotary import ROTARY_BASE, RotaryScaling, read_rotary

CODEGEN2, CODEGEN25, LLAMA, QWEN2 = "codegen2", "codegen2.5", "llama", "qwen2"
FAMILIES = (CODEGEN2, CODEGEN25, LLAMA, QWEN2)
"""Names of the networks. That of CodeGen2.5 is Llama's; "llama" has settings that CodeGen2.5 does not have, and "qwen2"
adds biases to queries, keys and values."""

PUBLISHED_GROUPS = {128: 8, 256: 8}
"""Groups by the explicit `head_dim` key. Salesforce's 1B (128) and 3.7B (256) have the key and were laid out for 8 TPU
cores; the 7B and 16B do not have it and were laid out for 4."""


GROUPS_KEY = "qkv_groups"
"""Our own key in config.json; no published file has it."""


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
            1 for the other families, whose checkpoints have three separate matrices.
        layer_norm_epsilon: added to the variance (other families: the mean square) in every norm.
        family: one of `FAMILIES`.
        n_kv_head: heads of keys and values, each shared by n_head / n_kv_head query heads (GQA, Ainslie et al. 2023,
            arXiv 2305.13245); None for as many as query heads.
        rotary_base: base of the rotary embedding's frequencies.
        rotary_scaling: their scaling for long contexts; None for none.
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
    n_kv_head: int | None = None
    rotary_base: float = ROTARY_BASE
    rotary_scaling: RotaryScaling | None = None
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
        if self.kv_heads < 1 or self.n_head % self.kv_heads:
            raise ConfigError(
                f"config.json: {self.n_head} query heads cannot share {self.kv_heads} heads of keys and values."
            )
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
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def kv_width(self) -> int:
        """Channels of all keys, and of all values, of a token."""
        return self.kv_heads * self.head_dim

    @property
    def qkv_width(self) -> int:
        """Channels of a token's queries, keys and values together."""
        return self.n_embd + 2 * self.kv_width

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have a bias."""
        return self.family == QWEN2

    @property
    def n_parameters(self) -> int:
        """Trainable parameters, embedding and untied head (CodeGen2: with its bias) included."""
        d, inner = self.n_embd, self.n_inner
        if self.family != CODEGEN2:
            attention = d * self.qkv_width + d * d + self.has_qkv_bias * self.qkv_width
            return self.n_layer * (2 * d + attention + 3 * d * inner) + 2 * self.vocab_size * d + d
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
        if str(kind := raw.get("model_type")) not in TABLES:
            other = describe_other_network(raw)
            raise ConfigError(
                f"config.json: model_type is {kind!r}{f' ({other})' if other else ''}, but only 'codegen' (CodeGen2),"
                " 'llama' (CodeGen2.5 and others) and 'qwen2' can be read here."
            )
        if method := find_method_in_config(raw):
            raise ConfigError(
                f"The checkpoint is quantized already: {method}; convert the float checkpoint it was made from."
            )
        if problem := find_config_mismatch(raw):
            raise ConfigError(f"config.json: {problem}.")
        try:
            return _codegen2(raw, qkv_groups) if kind == "codegen" else _llama(raw, qkv_groups)
        except KeyError as missing:
            raise ConfigError(f"config.json: the key {missing.args[0]!r} is missing.") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"config.json: a value has the wrong type ({error}).") from None

    def to_dict(self, *, end_of_text_id: int) -> dict[str, Any]:
        """Return the Hugging Face config.json of this model, with the real ids of begin and end (not 1 and 2)."""
        shape = self._codegen_dict() if self.family == CODEGEN2 else _llama_dict(self)
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
        layer_norm_epsilon=_number(raw, "layer_norm_epsilon", 1e-5),
        tied=bool(raw.get("tie_word_embeddings")),
    )


def _llama(raw: Mapping[str, Any], qkv_groups: int | None) -> CodeGenConfig:
    """Read Llama's keys; the whole head is rotated."""
    if qkv_groups not in (None, 1):
        raise ConfigError(
            f"qkv groups: {TABLES[str(raw['model_type'])].name} (and CodeGen2.5) keeps queries, keys and values apart;"
            " leave --qkv-groups out."
        )
    width, heads = _whole(raw, "hidden_size"), _whole(raw, "num_attention_heads")
    kv_heads = heads if raw.get("num_key_value_heads") is None else _whole(raw, "num_key_value_heads")
    base, scaling = read_rotary(raw)
    is_as_codegen25 = kv_heads == heads and base == ROTARY_BASE and scaling is None
    return CodeGenConfig(
        n_layer=_whole(raw, "num_hidden_layers"),
        n_embd=width,
        n_head=heads,
        n_kv_head=None if kv_heads == heads else kv_heads,
        rotary_dim=width // max(1, heads),
        rotary_base=base,
        rotary_scaling=scaling,
        n_positions=_whole(raw, "max_position_embeddings"),
        vocab_size=_whole(raw, "vocab_size"),
        n_inner=_whole(raw, "intermediate_size"),
        layer_norm_epsilon=_number(raw, "rms_norm_eps", 1e-6),
        tied=bool(raw.get("tie_word_embeddings")),
        qkv_groups=1,
        family=QWEN2 if raw["model_type"] == "qwen2" else CODEGEN25 if is_as_codegen25 else LLAMA,
    )


def _llama_dict(config: CodeGenConfig) -> dict[str, Any]:
    """Return the keys of config.json that CodeGen2 does not have; `CodeGenConfig.to_dict` adds the others."""
    table = TABLES["qwen2" if config.family == QWEN2 else "llama"]
    scaling = {} if config.rotary_scaling is None else {"rope_scaling": config.rotary_scaling.to_dict()}
    biases = {} if config.has_qkv_bias else {"attention_bias": False, "mlp_bias": False}
    return {
        "architectures": [table.architecture],
        "model_type": "qwen2" if config.family == QWEN2 else "llama",
        "hidden_act": "silu",
        "num_hidden_layers": config.n_layer,
        "hidden_size": config.n_embd,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "intermediate_size": config.n_inner,
        "max_position_embeddings": config.n_positions,
        "vocab_size": config.vocab_size,
        "rms_norm_eps": config.layer_norm_epsilon,
        "rope_theta": config.rotary_base,
        **scaling,
        **biases,
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


def _number(raw: Mapping[str, Any], key: str, default: float) -> float:
    """Return a number from a config.json; `default` where it is not set.

    Raises:
        TypeError: the value is not a number.
    """
    value: object = raw.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is {value!r}, but must be a number")
    return float(value)
