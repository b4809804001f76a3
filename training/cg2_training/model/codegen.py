"""CodeGen2 in PyTorch: parallel attention and MLP blocks, partial interleaved rotary embedding, grouped qkv layout.

Parameters have the names of the published checkpoints, so a state dict needs no mapping.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cg2_training.data.batches import Batch
from cg2_training.errors import TrainingError
from cg2_training.model.attention import causal_attention
from cg2_training.objective import IGNORED
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig
from cg2ls.models.codegen2.config import CODEGEN2
from cg2ls.models.codegen2.rotary import ROTARY_BASE

GELU_SLOPE = 2 * math.sqrt(2 / math.pi)
GELU_CUBE = 0.044715


def make_rotary_tables(config: CodeGenConfig, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Make tables of cosine and signed sine, float32 [n_positions, 1, 1 and 2, head_dim / 2].

    The tables are indexed by position and channel pair (RoPE, Su et al. 2021; frequencies base^(-2i / rotary_dim)).
    Channels from rotary_dim on turn by an angle of zero, so that a head need not be split.
    """
    pairs = torch.arange(0, config.rotary_dim, 2, device=device, dtype=torch.float32)
    frequencies = ROTARY_BASE ** (-pairs / config.rotary_dim)
    angles = torch.arange(config.n_positions, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = F.pad(angles, (0, (config.head_dim - config.rotary_dim) // 2))[:, None, None]
    return angles.cos(), torch.cat((-angles.sin(), angles.sin()), dim=2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the channel pairs of x [batch, time, heads, head_dim] by the tables' first `time` rows.

    A pair is a channel of a head's first half and the one at the same index of the second half. (a, b) becomes
    (a cos - b sin, b cos + a sin): the halves times cos, plus the exchanged halves times (-sin, sin). The gradient has
    the same form, so a compiler makes one pass over memory for each.
    """
    halves = x.float().view(*x.shape[:-1], 2, -1)
    turned: Tensor = halves * cos + halves.flip(-2) * sin
    return turned.flatten(-2).to(x.dtype)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer; the separate bias lets a compiler add it where the product is read next."""
    return F.linear(x, layer.weight) + layer.bias


def gelu(x: Tensor) -> Tensor:
    """Compute the tanh form of GELU (Hendrycks & Gimpel 2016) as (1 + tanh u) / 2 = sigmoid(2 u)."""
    wide = x.float()
    weighted: Tensor = wide * torch.sigmoid(wide * (GELU_SLOPE + GELU_SLOPE * GELU_CUBE * wide.square()))
    return weighted.to(x.dtype)


class CodeGenAttention(nn.Module):
    """Multi-head attention whose fused projection is laid out in `qkv_groups` groups of query, value, key."""

    def __init__(self, config: CodeGenConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv_proj = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.out_proj = nn.Linear(config.n_embd, config.n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Attend over x [batch, time, n_embd]; `mask` as in `CodeGen.forward`."""
        batch, time, width = x.shape
        parts = F.linear(x, self._by_part()).view(batch, time, 3, self.config.n_head, self.config.head_dim)
        query, key, value = parts.unbind(2)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        if mask is None:
            attended = causal_attention(query, key, value, layers=self.config.n_layer)
        else:
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out_proj(attended.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]

    def _by_part(self) -> Tensor:
        """Return the projection's rows: all queries, all keys, all values, with rotary pairs half a head apart.

        GPT-J's pairs are adjacent channels, which processors and GPUs read one by one. Queries and keys may share any
        order of channels, since only their products matter.
        """
        width, groups, head_dim = self.config.n_embd, self.config.qkv_groups, self.config.head_dim
        query, value, key = self.qkv_proj.weight.view(groups, 3, -1, width).unbind(1)
        query, key = (
            part.reshape(-1, head_dim // 2, 2, width).transpose(1, 2).reshape(width, width)
            for part in (query, key)
        )
        return torch.cat((query, key, value.reshape(width, width)))


class MLP(nn.Module):
    """Two linear layers around the tanh approximation of GELU."""

    def __init__(self, config: CodeGenConfig) -> None:
        super().__init__()
        self.fc_in = nn.Linear(config.n_embd, config.n_inner)
        self.fc_out = nn.Linear(config.n_inner, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [batch, time, n_embd] to the same shape."""
        return linear(self.fc_out, gelu(linear(self.fc_in, x)))


class Block(nn.Module):
    """GPT-J's parallel block: one layer norm feeds attention and MLP, and both are added to the residual."""

    def __init__(self, config: CodeGenConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = CodeGenAttention(config)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """Map x [batch, time, n_embd] to the same shape."""
        normed = self.ln_1(x)
        return x + self.attn(normed, cos, sin, mask) + self.mlp(normed)  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Embedding, blocks and final layer norm."""

    def __init__(self, config: CodeGenConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)


class CodeGen(nn.Module):
    """A CodeGen2 language model."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: CodeGenConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)
        cos, sin = make_rotary_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def init_weights(self, generator: torch.Generator) -> None:
        """Set weights to Normal(0, 0.02) and biases to zero; residual projections are scaled by 1/sqrt(2 n_layer)."""
        residual = 0.02 / math.sqrt(2 * self.config.n_layer)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = residual if name.endswith(("out_proj.weight", "fc_out.weight")) else 0.02
                nn.init.normal_(parameter, std=std, generator=generator)
            else:
                nn.init.constant_(parameter, 1.0 if ".ln_" in name and name.endswith("weight") else 0.0)

    def hidden(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return final hidden states [batch, time, n_embd] of token ids [batch, time]; see `forward` for `mask`."""
        time = tokens.shape[1]
        cos, sin = self.cos[:time].float(), self.sin[:time].float()
        x = self.transformer.wte(tokens)
        for block in self.transformer.h:
            x = block(x, cos, sin, mask)
        return self.transformer.ln_f(x)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits [batch, time, vocab_size].

        Args:
            tokens: ids [batch, time], time <= n_positions.
            mask: True where a query (row) may attend to a key (column), broadcastable to [batch, heads, time, time];
                None is the causal mask. See `make_region_mask`.
        """
        return linear(self.lm_head, self.hidden(tokens, mask))


def make_region_mask(regions: Tensor) -> Tensor:
    """Make a mask with bidirectional attention within each prompt, causal elsewhere (prefix LM, Raffel et al. 2020).

    Args:
        regions: int [batch, time], number of the prompt that a token belongs to, from 1; 0 outside prompts.

    Returns:
        bool [batch, 1, time, time].
    """
    positions = torch.arange(regions.shape[1], device=regions.device)
    causal = positions[:, None] >= positions[None, :]
    same = (regions[:, :, None] == regions[:, None, :]) & (regions[:, :, None] > 0)
    return (causal | same)[:, None]


@torch.no_grad()
def model_losses(model: CodeGen, batch: Batch) -> npt.NDArray[np.float32]:
    """Compute the cross entropy of every label of a batch; see `evaluate.TokenLosses`."""
    return model_predictions(model, batch)[0]


@torch.no_grad()
def model_predictions(model: CodeGen, batch: Batch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Compute the cross entropy of every label and the most probable id; see `evaluate.served.Predictor`."""
    device = model.lm_head.weight.device
    mask = make_region_mask(torch.from_numpy(batch.regions).to(device)) if batch.regions.any() else None
    logits = model(torch.from_numpy(batch.tokens).to(device), mask).float().flatten(0, 1)
    labels = torch.from_numpy(batch.labels).to(device).flatten()
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    shape = batch.labels.shape
    return losses.view(shape).cpu().numpy(), logits.argmax(-1).view(shape).cpu().numpy()


def load_model(checkpoint: Checkpoint) -> CodeGen:
    """Load a checkpoint's float32 model for inference.

    Raises:
        TrainingError: the checkpoint is CodeGen2.5, which is a different network.
    """
    if checkpoint.config.family != CODEGEN2:
        raise TrainingError(
            f"{checkpoint.folder} is a CodeGen2.5 checkpoint, which can be converted but not trained here;"
            " choose a CodeGen2 checkpoint."
        )
    model = CodeGen(checkpoint.config)
    model.load_state_dict({name: torch.from_numpy(checkpoint.tensor(name)) for name in checkpoint.names()})
    return model.eval()
