"""cg2ls and another runtime over one trace."""

from __future__ import annotations

import sys

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.engine import Engine
from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient
from cg2ls.evaluation.runtimes.scripted_engine import ScriptedEngine
from cg2ls.evaluation.runtimes.trace_race import RaceResult, Racers, ScriptSource, run_race
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
from cg2ls.evaluation.simulation.typist import Typist

SHORT = CompletionOptions(line_tokens=4, block_tokens=4, max_lines=1)
ALONE = CompletionOptions(
    line_tokens=4, block_tokens=4, max_lines=1, disabled_rules=frozenset({"typed_through"})
)
SLOW = """
import json, sys
print(json.dumps({"ready": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    ms = len(request["prompt"]) + 1000.0 * request["tokens"]
    print(json.dumps({"ms": [ms] * request["tokens"], "tokens": [0] * request["tokens"]}), flush=True)
"""


def test_the_other_runtime_gets_our_prompts_and_as_many_tokens(tiny_engine, shop):
    with WorkerClient("slow", [sys.executable, "-c", SLOW]) as remote:
        racers = Racers(HeadlessEditor(tiny_engine, ALONE), HeadlessEditor(tiny_engine, SHORT), [remote])
        found = run_race(Typist([shop]), 35, racers, rest=lambda _: None)
    count = len(found.alone)
    assert 35 <= count <= 60
    assert len(found.typed_through) == len(found.others["slow"]) == count
    expected = [
        prompt + 1000.0 * max(1, answer)
        for prompt, answer in zip(found.prompt_tokens, found.answer_tokens, strict=True)
    ]
    assert found.others["slow"] == expected


def test_median_ratios_are_of_all_keys_and_of_those_at_which_the_model_ran():
    result = RaceResult([2, 3, 4], [1, 1, 4], {"x": [8, 9, 16]}, [False, False, True], [5] * 3, [1] * 3)
    assert result.to_json()["race"]["median_ratios"] == {"all_keys_vs_x": 9, "where_the_model_ran_vs_x": 4}


def test_a_runtimes_own_times_are_another_row(tiny_engine, shop):
    served = SLOW.replace('"tokens": [0]', '"reported_ms": [1.5], "tokens": [0]')
    with WorkerClient("slow", [sys.executable, "-c", served]) as remote:
        racers = Racers(HeadlessEditor(tiny_engine, ALONE), HeadlessEditor(tiny_engine, SHORT), [remote])
        found = run_race(Typist([shop]), 20, racers, rest=lambda _: None)
    assert found.others["slow, without HTTP"] == [1.5] * len(found.others["slow"])
    assert sum(found.ran) <= len(found.ran) == len(found.alone)


def test_ratios_are_of_sums():
    report = RaceResult([1, 3], [0, 1], {"x": [8, 8]}, [False, True], [5, 5], [1, 2]).to_json()["race"]
    assert report["ratios"] == {"alone_vs_x": 4, "typed_through_vs_x": 16}
    assert report["total_ms"]["alone"] == 4


@pytest.mark.parametrize("forced", ["", "ret"])
def test_scripted_engine_returns_the_script(tiny_engine, shop, forced):
    engine = ScriptedEngine(tiny_engine)
    engine.script = "urn 42" if forced else "return 42"
    text = f"def f():\n    x = 1\n    {forced}"
    answer = HeadlessEditor(engine, CompletionOptions(max_lines=1)).ask(shop, text, len(text))
    assert answer.text == engine.script
    assert answer.cost is not None
    assert answer.cost.generated > 1


def test_a_script_source_sets_the_script_of_every_engine(tiny_model, shop):
    class Parrot:
        def ask(self, source: object, text: str, offset: int) -> TimedAnswer:
            return TimedAnswer("squawk()", 0, 0.0, 0.0)

    with Engine.open(tiny_model, threads=1) as one, Engine.open(tiny_model, threads=1) as other:
        scripted = [ScriptedEngine(one), ScriptedEngine(other)]
        options = CompletionOptions(max_lines=1)
        editors = [HeadlessEditor(engine, options) for engine in scripted]
        racers = Racers(*editors, scripts=ScriptSource(Parrot(), scripted))
        found = run_race(Typist([shop]), 20, racers, rest=lambda _: None)
    assert max(found.answer_tokens) <= 8 + 8
    assert [engine.script for engine in scripted] == ["squawk()"] * 2
