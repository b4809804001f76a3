"""Attention with kept weights equals PyTorch's, forward and backward, and is chosen only if it is faster."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cg2_training.model import attention
from cg2_training.model.attention import QUERY_BLOCK, causal_attention


def parts(heads: int, time: int, width: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Queries, keys and values as a model has them, [2, heads, time, width], heads after time in memory."""
    chance = torch.Generator().manual_seed(time)
    shape = (2, time, heads, width)
    return [torch.randn(shape, generator=chance).to(dtype).transpose(1, 2).requires_grad_() for _ in range(3)]


def with_gradients(attend, given_parts: list[Tensor]) -> list[Tensor]:
    out = attend(*given_parts)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), given_parts)]


def pytorchs(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def ours(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return causal_attention(query, key, value, layers=1)


def agree(one: list[Tensor], other: list[Tensor]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.fixture
def kept(monkeypatch):
    """How often weights were kept."""
    calls: list[tuple[int, ...]] = []
    really = attention._blockwise

    def counted(*given_parts: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(tuple(given_parts[0].shape))
        return really(*given_parts)

    monkeypatch.setattr(attention, "_blockwise", counted)
    return calls


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    heads=st.integers(1, 3),
    time=st.one_of(
        st.integers(1, 3 * QUERY_BLOCK), st.sampled_from([QUERY_BLOCK - 1, QUERY_BLOCK, QUERY_BLOCK + 1])
    ),
    width=st.sampled_from([4, 16, 64]),
)
def test_values_and_gradients_are_those_of_pytorch(heads: int, time: int, width: int) -> None:
    given_parts = parts(heads, time, width)
    agree(with_gradients(ours, given_parts), with_gradients(pytorchs, given_parts))


def test_its_errors_are_no_larger_than_those_of_pytorch() -> None:
    given_parts = [(4 * part).detach().requires_grad_() for part in parts(4, 64, 32)]
    exact = with_gradients(pytorchs, [part.detach().double().requires_grad_() for part in given_parts])

    def errors(attend) -> list[float]:
        found = with_gradients(attend, given_parts)
        return [float((one - other).norm() / other.norm()) for one, other in zip(found, exact, strict=True)]

    for mine, theirs in zip(errors(ours), errors(pytorchs), strict=True):
        assert mine < 1.5 * theirs


def test_compiled_it_is_the_same(kept) -> None:
    given_parts = parts(2, 130, 16)
    expected = with_gradients(ours, given_parts)
    assert kept
    compiled = torch.compile(lambda query, key, value: 2 * ours(query, key, value) / 2)
    agree(with_gradients(compiled, given_parts), expected)


def test_its_gradients_follow_the_registration_rules_of_pytorch() -> None:
    query, key, value = (part.detach().reshape(-1, 40, 8).requires_grad_() for part in parts(2, 40, 8))
    torch.library.opcheck(attention._blockwise, (query, key, value))


def test_no_query_attends_to_later_keys() -> None:
    query, key, value = parts(1, 2 * QUERY_BLOCK + 5, 8)
    before = ours(query, key, value).detach()
    for at in (1, QUERY_BLOCK, 2 * QUERY_BLOCK + 3):
        later_key, later_value = key.detach().clone(), value.detach().clone()
        later_key[:, :, at:] += 9
        later_value[:, :, at:] -= 9
        after = ours(query, later_key, later_value).detach()
        torch.testing.assert_close(after[:, :, :at], before[:, :, :at], rtol=0, atol=0)
        assert not torch.equal(after[:, :, at], before[:, :, at])


def test_weights_are_kept_only_for_gradients_in_float32_and_within_the_memory_for_them(
    kept, monkeypatch
) -> None:
    given_parts = parts(2, 200, 16)
    ours(*given_parts)
    assert len(kept) == 1
    ours(*(part.detach() for part in given_parts))
    ours(*parts(2, 200, 16, torch.bfloat16))
    assert len(kept) == 1
    needed = attention._kept_weights(2 * 2, 200) * 4
    monkeypatch.setattr(attention, "MAX_KEPT_BYTES", 6 * needed)
    causal_attention(*given_parts, layers=6)
    assert len(kept) == 2
    causal_attention(*given_parts, layers=7)
    assert len(kept) == 2
