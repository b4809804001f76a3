"""The prefill graph: an answer depends on its prompt only, and hardly on which graph read it."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import Engine, EngineError, EngineOptions, Request, onnx_session
from cg2ls.engine.kv_cache import CachedTokens
from cg2ls.engine.prefill import round_to_int8
from cg2ls.engine.request import RequestError
from cg2ls.models.folder.description import PREFILL_GRAPH, ModelDescription, ModelFolderError
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.models.folder.verify import describe_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = (
    "def area(width, height):\n    return width * height\n\n\nclass Box:\n    def __init__(self, side):\n" * 9
)


def open_default(*, graph: bool, contexts: int = 2) -> Engine:
    options = EngineOptions(prefill_graph=graph, contexts=contexts)
    return Engine.open(SHIPPED_DEFAULT, provider="cpu", threads=1, options=options)


@pytest.fixture(scope="module")
def reading() -> Iterator[Engine]:
    with open_default(graph=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def tokens(reading: Engine) -> list[int]:
    return reading.tokenizer.encode(CODE)


def answer(engine: Engine, request: Request) -> list[tuple[int, float]]:
    return [(step.token, step.logprob) for step in engine.complete(request)]


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_the_same_to_the_last_bit_whatever_was_read_before(reading, tokens, seed):
    choose = random.Random(seed)
    stable = choose.randrange(20, 150)
    request = Request(prompt=tokens[: stable + choose.randrange(1, 30)], stable=stable, max_tokens=6)
    with open_default(graph=True) as fresh:
        expected = answer(fresh, request)
    for _ in range(6):
        end = choose.randrange(2, len(request.prompt) + 1)
        other = replace(
            request, prompt=request.prompt[:end], stable=choose.choice([0, min(stable, end), end // 2])
        )
        reading.prefill_chunk = choose.choice([3, 16, 64, 128])
        if choose.random() < 0.5:
            reading.read(other)
        else:
            answer(reading, replace(other, prompt=[*other.prompt, 7, 9]))
        assert answer(reading, request) == expected


def test_typed_tokens_cost_only_their_own_reading(reading, tokens):
    prompt = tokens[:200]
    answer(reading, Request(prompt=prompt, stable=180, max_tokens=1))
    answer(reading, Request(prompt=[*prompt, 5, 6], stable=180, max_tokens=1))
    assert reading.last.reused_tokens == 200
    answer(reading, Request(prompt=[*prompt, 5, 6], stable=190, max_tokens=1))
    assert reading.last.reused_tokens == 180, "the tokens between were not read by the prefill graph"


def test_the_graph_changes_logits_by_less_than_four_bits_do(reading, tokens):
    with open_default(graph=False) as plain:
        for end in range(60, 260, 20):
            request = Request(prompt=tokens[:end], stable=end - 3, max_tokens=1, ignore_stop_tokens=True)
            (token, logprob), (expected, there) = answer(reading, request)[0], answer(plain, request)[0]
            assert (token, logprob) == (expected, pytest.approx(there, abs=0.35))


def test_the_model_s_own_graph_reads_everything_where_the_other_is_switched_off(tokens):
    with open_default(graph=False) as plain:
        expected = answer(plain, Request(prompt=tokens[:99], max_tokens=4))
        assert answer(plain, Request(prompt=tokens[:99], stable=80, max_tokens=4)) == expected


@pytest.mark.parametrize(
    ("features", "opens"), [(["avx2"], False), ([], False), (["avx2", "avx_vnni"], True)]
)
def test_it_is_opened_where_the_processor_makes_it_faster(monkeypatch, features, opens):
    monkeypatch.setattr(onnx_session, "read_cpu", lambda: ("a processor", features))
    with Engine.open(SHIPPED_DEFAULT, provider="cpu", threads=1) as engine:
        assert ("prefill.onnx reads prompts" in engine.provider_reason) is opens


@pytest.mark.parametrize(("limit", "reads"), [(None, True), (200.0, True), (60.0, False)])
def test_it_is_left_out_where_the_memory_limit_has_no_room_for_it(limit, reads):
    options = EngineOptions(prefill_graph=True, memory_mb=limit)
    with Engine.open(SHIPPED_DEFAULT, provider="cpu", threads=1, options=options) as engine:
        assert ("prefill.onnx reads prompts" in engine.provider_reason) is reads
        assert (engine.memory.prefill > 0) is reads
        assert limit is None or engine.memory.max_bytes <= 1e6 * limit


def test_a_model_that_only_drafts_opens_none(monkeypatch):
    monkeypatch.setattr(onnx_session, "read_cpu", lambda: ("a processor", ["avx512_vnni"]))
    options = EngineOptions(prefill_graph=False, draft_model=SHIPPED_DEFAULT)
    with Engine.open(SHIPPED_DEFAULT, provider="cpu", threads=1, options=options) as engine:
        assert engine._manager.draft.prefill is None


def test_stable_tokens_are_tokens_of_the_prompt():
    with pytest.raises(RequestError, match="stable is 4, but the prompt has 3 tokens"):
        Request(prompt=[1, 2, 3], stable=4)


@pytest.fixture
def damaged(tmp_path: Path):
    """A copy of the default whose prefill graph has other bytes, listed as they are."""

    def make(content: bytes) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(SHIPPED_DEFAULT, folder)
        (folder / PREFILL_GRAPH).write_bytes(content)
        model = ModelDescription.read(folder)
        entry = describe_file(folder / PREFILL_GRAPH)
        replace(model, files={**model.files, PREFILL_GRAPH: entry}).write(folder)
        return folder

    return make


def test_a_damaged_prefill_graph_is_refused_in_one_sentence(damaged):
    with pytest.raises(ModelFolderError, match=r"prefill\.onnx is not an ONNX model .* convert"):
        Engine.open(damaged(b"\x3a\xff"), options=EngineOptions(prefill_graph=True))


def test_a_prefill_graph_of_another_model_is_refused(damaged, tiny_model):
    other = (tiny_model / "model.onnx").read_bytes()
    with pytest.raises(EngineError, match=r"prefill\.onnx .*convert the model again"):
        Engine.open(damaged(other), options=EngineOptions(prefill_graph=True))


def test_a_prefill_graph_reads_no_file_that_is_not_listed(damaged):
    content = (SHIPPED_DEFAULT / PREFILL_GRAPH).read_bytes()
    content = content.replace(b"model.onnx.data", b"../../etc/hosts")
    with pytest.raises(ModelFolderError, match=r"wants to read '\.\./\.\./etc/hosts'"):
        Engine.open(damaged(content), options=EngineOptions(prefill_graph=True))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.integers(1, 5), blocks=st.integers(1, 5), seed=st.integers(0, 2**31), flat=st.booleans())
def test_eight_bits_have_the_values_of_four_within_half_a_level(rows, blocks, seed, flat):
    choose = np.random.default_rng(seed)
    levels = choose.integers(0, 16, (rows, blocks, 32), dtype=np.uint8)
    zeros = choose.integers(0, 16, (rows, blocks + blocks % 2), dtype=np.uint8)
    scales = (10 ** choose.uniform(-4, 2, (rows, blocks))).astype(np.float32)
    if flat:
        scales[0] = 0
    exact = (levels.astype(np.float32) - zeros[:, :blocks, None]) * scales[..., None]
    found, scale = round_to_int8(
        levels[..., 0::2] | levels[..., 1::2] << 4, scales, zeros[:, 0::2] | zeros[:, 1::2] << 4
    )
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.int8, (32 * blocks, rows), True)
    error = np.abs(found.T.astype(np.float32) * scale[:, None] - exact.reshape(rows, -1))
    assert (error <= 0.57 * scale[:, None] + 1e-12).all()


calls = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(calls=calls)
def test_cached_tokens_are_reused_only_from_the_graph_that_should_read_them(calls):
    """Each call reads `tokens[:end]`, of which `stable` by the prefill graph, and checks every position's origin."""
    cached, origin = CachedTokens(64), []
    for end, wanted, vocabulary in calls:
        tokens = np.arange(end, dtype=np.int64) % vocabulary
        stable = min(wanted, end)
        start = cached.count_reusable(tokens, stable)
        cached.truncate(start)
        del origin[start:]
        for position in range(start, end):
            by_prefill = position < stable
            cached.append(tokens[position : position + 1], prefilled=by_prefill)
            origin.append((int(tokens[position]), by_prefill))
        assert origin == [(int(token), position < stable) for position, token in enumerate(tokens)]
        assert (cached.length, cached.prefilled) == (end, min(stable, end))
