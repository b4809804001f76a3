"""Causal attention, and a faster form of it for float32 on processors.

PyTorch's attention keeps no attention weights and recomputes them for the gradient, block by block. Where memory
allows, this module keeps them and uses the matrix library for the products. Forward and backward together then take
0.8 of the time (`cg2-train bench`, docs/reference/training.md).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

QUERY_BLOCK = 96
"""Queries of a block. Keys after a block's last query are never computed; 64 to 160 were equally fast."""

MAX_KEPT_BYTES = 1 << 30
"""Maximum memory of a pass's attention weights, over all layers."""


def causal_attention(query: Tensor, key: Tensor, value: Tensor, *, layers: int) -> Tensor:
    """Compute softmax(Q K^T / sqrt(head_dim)) V, each query over the keys up to its own position.

    Args:
        query: [batch, heads, time, head_dim].
        key: same shape.
        value: same shape.
        layers: number of layers of the model, which all keep the same amount.

    Returns:
        [batch, heads, time, head_dim].
    """
    if _should_keep_weights(query, layers):
        parts = (part.reshape(-1, *part.shape[2:]) for part in (query, key, value))
        out: Tensor = _blockwise(*parts)[0]
        return out.view(query.shape)
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def _should_keep_weights(query: Tensor, layers: int) -> bool:
    if query.device.type != "cpu" or query.dtype != torch.float32 or not query.requires_grad:
        return False
    batch, heads, time, _ = query.shape
    return layers * _kept_weights(batch * heads, time) * query.element_size() <= MAX_KEPT_BYTES


def _kept_weights(heads: int, time: int) -> int:
    """Return the number of kept attention weights."""
    return heads * sum((end - start) * end for start, end in _blocks(time))


def _blocks(time: int) -> list[tuple[int, int]]:
    return [(start, min(start + QUERY_BLOCK, time)) for start in range(0, time, QUERY_BLOCK)]


def _views(weights: Tensor, heads: int, time: int) -> list[Tensor]:
    """Return views [heads, queries, keys] of the blocks' weights, which are consecutive in memory."""
    views, at = [], 0
    for start, end in _blocks(time):
        size = heads * (end - start) * end
        views.append(weights[at : at + size].view(heads, end - start, end))
        at += size
    return views


@torch.library.custom_op("cg2_training::blockwise_attention", mutates_args=())
def _blockwise(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Compute attention of [heads, time, head_dim]; also return its weights."""
    heads, time, width = query.shape
    out = torch.empty_like(query, memory_format=torch.contiguous_format)
    weights = query.new_empty(_kept_weights(heads, time))
    scaled = query / math.sqrt(width)
    hidden = query.new_full((QUERY_BLOCK, QUERY_BLOCK), -math.inf).triu(1)
    for (start, end), block in zip(_blocks(time), _views(weights, heads, time), strict=True):
        torch.bmm(scaled[:, start:end], key[:, :end].mT, out=block)
        block[:, :, start:] += hidden[: end - start, : end - start]
        torch._softmax(block, -1, False, out=block)
        out[:, start:end] = torch.bmm(block, value[:, :end])
    return out, weights


@_blockwise.register_fake
def _(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    heads, time, _ = query.shape
    return torch.empty_like(query, memory_format=torch.contiguous_format), query.new_empty(
        _kept_weights(heads, time)
    )


@torch.library.custom_op("cg2_training::blockwise_attention_gradient", mutates_args=())
def _gradient(
    of_out: Tensor, query: Tensor, key: Tensor, value: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of query, key and value.

    With P the weights and S the scores: dV = P^T dO, dS = P (dO V^T - rowsum(dO V^T P)), dQ = dS K, dK = dS^T Q.
    """
    heads, time, width = query.shape
    of_query = torch.empty_like(query, memory_format=torch.contiguous_format)
    of_key, of_value = (torch.zeros_like(of_query) for _ in range(2))
    scaled = query / math.sqrt(width)
    space = query.new_empty(heads * QUERY_BLOCK * time)
    for (start, end), block in zip(_blocks(time), _views(weights, heads, time), strict=True):
        rows = of_out[:, start:end]
        of_block = space[: block.numel()].view(block.shape)
        torch.bmm(rows, value[:, :end].mT, out=of_block)
        of_value[:, :end].baddbmm_(block.mT, rows)
        torch._softmax_backward_data(of_block, block, -1, block.dtype, grad_input=of_block)
        of_query[:, start:end] = torch.bmm(of_block, key[:, :end])
        of_key[:, :end].baddbmm_(of_block.mT, scaled[:, start:end])
    return of_query / math.sqrt(width), of_key, of_value


@_gradient.register_fake
def _(
    of_out: Tensor,  # noqa: ARG001
    query: Tensor,
    key: Tensor,  # noqa: ARG001
    value: Tensor,  # noqa: ARG001
    weights: Tensor,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    gradients = [torch.empty_like(query, memory_format=torch.contiguous_format) for _ in range(3)]
    return gradients[0], gradients[1], gradients[2]


def _save_for_backward(
    ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]
) -> None:
    ctx.save_for_backward(*inputs, output[1])


def _backward(ctx: torch.autograd.function.FunctionCtx, of_out: Tensor, _: Tensor) -> tuple[Tensor, ...]:
    return tuple(_gradient(of_out, *ctx.saved_tensors))  # type: ignore[attr-defined]


_blockwise.register_autograd(_backward, setup_context=_save_for_backward)
