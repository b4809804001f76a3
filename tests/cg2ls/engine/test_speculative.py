"""Drafts save calls of the graph and never change an answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2_quantize import ConversionOptions, convert
from cg2ls.engine import Engine, EngineError, EngineOptions, Request, Step
from cg2ls.engine.call_costs import CallCosts
from cg2ls.engine.speculative import Drafter, DraftHint, DraftLengthPolicy, NgramProposer

FORMATS = {
    "fp32": {"precision": "fp32"},
    "int8": {"precision": "int8"},
    "int8 with an int8 cache": {"precision": "int8", "kv": "int8"},
    "int4": {"precision": "int4"},
    "int4 with an int8 cache": {"precision": "int4", "kv": "int8"},
}
TEXT = "def area(width, height):\n    return width * height\n\ndef area(width, height):\n    return wi"


class Pair:
    """A model opened twice: one uses every draft, the other uses none."""

    def __init__(self, folder: Path) -> None:
        self.drafting = Engine.open(folder, threads=1, options=EngineOptions(drafts=True))
        self.plain = Engine.open(folder, threads=1, options=EngineOptions(contexts=1, drafts=False))
        self.tokens = self.plain.tokenizer.encode(TEXT)

    def agree(self, steps: list[Step], expected: list[Step]) -> None:
        """Require the same tokens; in float32 another order of sums may change the last digits."""
        assert [step.token for step in steps] == [step.token for step in expected]
        tolerance = 1e-4 if self.plain.model.precision == "fp32" else 0.0
        assert [step.logprob for step in steps] == pytest.approx(
            [step.logprob for step in expected], abs=tolerance, rel=0
        )

    def always(self, length: int) -> None:
        """Draft this many tokens at any cost."""
        self.drafting._policy.choose_length = lambda source: length  # type: ignore[method-assign]

    def from_nothing(self, request: Request) -> list[Step]:
        list(self.plain.complete(Request(prompt=[request.prompt[0] ^ 1], max_tokens=1)))
        steps = list(self.plain.complete(request))
        assert (self.plain.last.reused_tokens, self.plain.last.drafted) == (0, 0)
        return steps


@pytest.fixture(scope="module", params=FORMATS)
def pair(request, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair") / "model"
    convert(tiny_checkpoint, folder, ConversionOptions(**FORMATS[request.param], name="pair"))
    return Pair(folder)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    cut=st.integers(1, len(TEXT) // 2),
    drafted=st.integers(1, 24),
    right=st.integers(0, 12),
    wrong=st.lists(st.integers(0, 300), max_size=6),
    temperature=st.sampled_from([0.0, 0.0, 0.8, 2.0]),
    forced=st.sampled_from([b"", b"wid", b"heigh"]),
    chunk=st.sampled_from([3, 16, 128]),
)
def test_a_drafted_answer_is_that_of_one_call_per_token_to_the_last_bit_if_quantized(
    pair, cut, drafted, right, wrong, temperature, forced, chunk
):
    pair.always(drafted)
    pair.drafting.prefill_chunk = chunk
    asked = {"prompt": pair.tokens[:cut], "forced": forced, "max_tokens": 12, "temperature": temperature}
    expected = pair.from_nothing(Request(**asked, seed=cut))
    hint = [step.token for step in expected[:right]] + wrong
    steps = list(pair.drafting.complete(Request(**asked, seed=cut, draft_hint=hint)))
    pair.agree(steps, expected)


def test_a_right_draft_hint_is_confirmed_in_one_call(pair):
    pair.always(24)
    request = Request(prompt=pair.tokens, max_tokens=9, ignore_stop_tokens=True)
    expected = pair.from_nothing(request)
    hint = [step.token for step in expected]
    list(pair.drafting.complete(Request(prompt=[5], max_tokens=1)))
    again = Request(prompt=pair.tokens, max_tokens=9, ignore_stop_tokens=True, draft_hint=hint)
    pair.agree(list(pair.drafting.complete(again)), expected)
    assert pair.drafting.last.decode_calls == 0
    assert pair.drafting.last.accepted == 8


def test_wrong_drafts_do_not_stay_cached(pair):
    pair.always(6)
    prompt = pair.tokens[:20]
    request = Request(prompt=prompt, max_tokens=5, draft_hint=[1, 2, 3, 4, 5, 6], ignore_stop_tokens=True)
    answer = [step.token for step in pair.drafting.complete(request)]
    assert pair.drafting.cached_tokens == prompt + answer[:-1]


def test_an_abandoned_draft_leaves_a_valid_cache(pair):
    pair.always(8)
    request = Request(prompt=pair.tokens, max_tokens=8, ignore_stop_tokens=True)
    expected = pair.from_nothing(request)
    hint = [step.token for step in expected]
    steps = pair.drafting.complete(
        Request(prompt=pair.tokens, max_tokens=8, ignore_stop_tokens=True, draft_hint=hint)
    )
    assert next(steps).token == expected[0].token
    steps.close()
    pair.agree(list(pair.drafting.complete(request)), expected)


def test_a_model_whose_rows_depend_on_each_other_is_not_drafted_for(tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "dependent"))
    raw = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(raw | {"independent_rows": False}))
    with Engine.open(folder, threads=1) as engine:
        assert not engine.drafts
        list(
            engine.complete(
                Request(prompt=[3, 4, 3, 4, 3, 4], draft_hint=[3, 4], max_tokens=4, ignore_stop_tokens=True)
            )
        )
        assert engine.last.drafted == 0


def test_the_same_model_drafts_for_itself_without_a_mistake(tiny_model: Path, uncached, words) -> None:
    with Engine.open(
        tiny_model, threads=1, options=EngineOptions(drafts=True, draft_model=tiny_model)
    ) as engine:
        engine._policy.choose_length = lambda source: 4 if source.name == "model" else 0  # type: ignore[method-assign]
        request = Request(prompt=words(40), max_tokens=11, ignore_stop_tokens=True)
        steps, expected = list(engine.complete(request)), uncached(request)
        assert [step.token for step in steps] == [step.token for step in expected]
        assert engine.last.drafted == engine.last.accepted > 0
        assert engine.last.decode_calls < 5


def test_a_drafting_model_with_another_tokenizer_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    default = Path(__file__).parents[3] / "cg2ls" / "default"
    with pytest.raises(EngineError, match="cannot draft for tiny: it has another tokenizer"):
        Engine.open(tiny_model, threads=1, options=EngineOptions(draft_model=default))


def lookup(text: Sequence[int], generated: Sequence[int], length: int, most: int = 4) -> list[int]:
    return list(NgramProposer(np.array(text), 10, length).draft(generated, most))


def test_prompt_lookup_continues_as_the_nearest_earlier_place_did():
    assert lookup([1, 2, 3, 9, 1, 2, 4, 1, 2], [], 2) == [4, 1, 2]
    assert lookup([1, 2, 3, 9], [1, 2], 2) == [3, 9, 1, 2]
    assert lookup([1, 2, 3], [7], 2) == []
    assert lookup([5], [], 2) == []


def test_prompt_lookup_agrees_with_a_plain_search():
    @given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.lists(st.integers(0, 2), max_size=6))
    def check(text: list[int], generated: list[int]) -> None:
        whole = text + generated
        places = [i for i in range(len(whole) - 2) if whole[i : i + 2] == whole[-2:]]
        expected = whole[places[-1] + 2 :][:4] if places else []
        assert lookup(text, generated, 2) == expected

    check()


def test_a_draft_hint_gives_nothing_after_the_answer_differed():
    hint = DraftHint([1, 2, 3, 4])
    assert hint.draft([], 3) == [1, 2, 3]
    assert hint.draft([1, 2], 3) == [3, 4]
    assert not hint.draft([1, 9], 3)


class Scripted:
    name, cost = "scripted", 0.0

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        return [7] * most


def measured(ratio_of_8: float) -> CallCosts:
    costs = CallCosts()
    costs.calibrate(lambda count: 1e-3 * (1 + (ratio_of_8 - 1) * (count - 1) / 7))
    return costs


def test_drafts_grow_while_they_are_right_and_stop_while_they_are_wrong():
    policy = DraftLengthPolicy(measured(1.6))
    drafter = Drafter([Scripted()], policy)
    first = len(drafter.draft([], 24))
    for _ in range(20):
        drafter.note_checked(8, mistaken=False)
    assert len(drafter.draft([], 24)) > first > 0
    for _ in range(40):
        drafter.note_checked(0, mistaken=True)
    assert not drafter.draft([], 24)


def test_a_source_that_was_wrong_is_tried_again_some_answers_later():
    policy = DraftLengthPolicy(measured(1.6))
    drafter = Drafter([Scripted()], policy)
    assert drafter.draft([], 24)
    for _ in range(30):
        drafter.note_checked(0, mistaken=True)
    answers = 0
    while not drafter.draft([], 24):
        drafter = Drafter([Scripted()], policy)
        answers += 1
    assert 1 <= answers < 30


def test_where_a_longer_call_costs_as_much_as_single_ones_nothing_is_drafted():
    assert not Drafter([Scripted()], DraftLengthPolicy(measured(8.0))).draft([], 24)


def test_a_draft_is_not_longer_than_the_room_left():
    assert len(Drafter([Scripted()], DraftLengthPolicy(measured(1.1))).draft([], 2)) == 2
