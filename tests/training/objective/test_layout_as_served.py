"""Known text before the middle, the suffix-prefix order, and text below that ends with the block."""

from __future__ import annotations

import inspect
import tarfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg2_training.data.batches import RowStream
from cg2_training.data.row_stats import RowStats, collect_row_stats
from cg2_training.data.shards import TokenShard
from cg2_training.objective import ObjectiveConfig, as_published, choose_spans, corrupt_row
from cg2_training.objective.layout import cut_part
from cg2_training.objective.rows import draw_anchors, find_block_end
from cg2ls.models.codegen2 import CodeTokenizer
from tests.training.objective.recipes import RECIPES

SOURCE = inspect.getsource(tarfile)
SERVED = {
    "published": ObjectiveConfig(),
    "anchored": ObjectiveConfig(anchor_share=1.0),
    "suffix first": ObjectiveConfig(suffix_first_share=1.0),
    "near": ObjectiveConfig(near_suffix_share=1.0),
    "all": ObjectiveConfig(anchor_share=0.5, suffix_first_share=0.5, near_suffix_share=0.5, dense_share=0.5),
}
texts = st.text(st.sampled_from(list("ab (\n\té🦊<>_1x")), min_size=2, max_size=300)


@given(texts, st.integers(0, 10_000), st.sampled_from(sorted(SERVED)))
def test_the_pieces_of_a_part_are_its_text(tokenizer: CodeTokenizer, text: str, seed: int, name: str) -> None:
    config, rng = SERVED[name], np.random.default_rng(seed)
    spans = choose_spans(text, config, rng, masks=20)
    anchors = draw_anchors(text, spans, config, rng)
    limits = [-1, *(end for _, end in spans[:-1])]
    assert all(limit < at <= start for limit, at, (start, _) in zip(limits, anchors, spans, strict=True)), (
        "known text never reaches the middle before"
    )
    part = cut_part(text, spans, tokenizer, anchors=anchors)
    pieces = [part.kept[0]]
    for known, middle, kept in zip(part.known, part.masked, part.kept[1:], strict=True):
        pieces += [known, middle, kept]
    assert "".join(map(tokenizer.decode, pieces)) == text
    tokens = part.lay_out(tokenizer.special)
    assert len(tokens) == len(part)
    for cursor, middle in zip(part.cursors(), part.masked, strict=True):
        assert tokens[cursor : cursor + len(middle)] == middle
        assert tokens[cursor + len(middle)] == tokenizer.special.eom


@example(seed=5318, name="all", room=537)
@given(st.integers(0, 10_000), st.sampled_from(sorted(SERVED)), st.integers(40, 600))
def test_a_row_of_parts_is_the_text_in_order(
    tokenizer: CodeTokenizer, seed: int, name: str, room: int
) -> None:
    """Nothing is repeated and nothing is lost between a part and the one that its rest becomes."""
    packed = tokenizer.encode(SOURCE[seed : seed + 4000])[:room]
    row = corrupt_row(packed, tokenizer, SERVED[name], np.random.default_rng(seed), max_tokens=room)
    special = tokenizer.special
    rebuilt, begin = "", 0
    while special.sep in row.tokens[begin:]:
        sep = row.tokens.index(special.sep, begin)
        end = row.tokens.index(special.end_of_text, sep)
        prompt, answers = row.tokens[begin : sep - 1], row.tokens[sep + 1 : end]
        for token in prompt:
            if token >= special.first_mask_id:
                rebuilt += tokenizer.decode(answers[1 : answers.index(special.eom)])
                answers = answers[answers.index(special.eom) + 1 :]
            else:
                rebuilt += tokenizer.decode([token])
        begin = end + 1
    rebuilt += tokenizer.decode(row.tokens[begin:])
    assert rebuilt in SOURCE[seed : seed + 4000]


def test_a_suffix_first_part_is_the_server_s_prompt_without_a_prefix(tokenizer: CodeTokenizer) -> None:
    text, span = "alpha = 1\nbeta = 2\ngamma = 3\n", (17, 19)
    config = ObjectiveConfig(suffix_first_share=1.0)
    anchors = draw_anchors(text, [span], config, np.random.default_rng(0))
    tokens = cut_part(text, [span], tokenizer, anchors=anchors).lay_out(tokenizer.special)
    prefix, middle, suffix = (
        tokenizer.encode(one) for one in (text[: span[0]], text[slice(*span)], text[span[1] :])
    )
    special = tokenizer.special
    served = special.lay_out([], suffix, prefix, fills_in=True)
    assert tokens == [*served, *middle, special.eom, special.end_of_text]


def test_an_anchored_part_is_the_server_s_prompt(tokenizer: CodeTokenizer) -> None:
    text, span = "alpha = 1\nbeta = 2\ngamma = 3\n", (17, 19)
    config = ObjectiveConfig(anchor_share=1.0, anchor_max_chars=6)
    anchors = draw_anchors(text, [span], config, np.random.default_rng(0))
    assert anchors == [10], "the start of the middle's line"
    tokens = cut_part(text, [span], tokenizer, anchors=anchors).lay_out(tokenizer.special)
    prefix, known, middle, suffix = (
        tokenizer.encode(text[a:b]) for a, b in ((0, 10), (10, 17), (17, 19), (19, len(text)))
    )
    special = tokenizer.special
    served = special.lay_out(prefix, suffix, known, fills_in=True)
    assert tokens == [*served, *middle, special.eom, special.end_of_text]


BLOCKS = "def f(x):\n    if x:\n        return 1\n\n        y = 2\n    return 0\n\nz = 3\nw = 4\n\nv = 5\n"


@pytest.mark.parametrize(
    ("middle", "below"),
    [
        ("return 1", "\n\n        y = 2\n"),
        ("1\n", "\n        y = 2\n"),
        ("if x", ":\n        return 1\n\n        y = 2\n    return 0\n\n"),
        ("return 0", "\n\n"),
        ("z = 3", "\nw = 4\n"),
        ("v = 5", "\n"),
        ("v = 5\n", ""),
    ],
)
def test_a_block_ends_where_indentation_falls(middle: str, below: str) -> None:
    start = BLOCKS.index(middle)
    end = start + len(middle)
    assert BLOCKS[end : find_block_end(BLOCKS, (start, end))] == below


@given(texts, st.data())
def test_a_block_ends_at_or_below_its_middle(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    cut = find_block_end(text, (start, end))
    assert end <= cut <= len(text)
    assert cut in (0, len(text)) or text[cut - 1] == "\n"


@pytest.mark.parametrize("name", ["python-27m", "python-small"])
def test_options_change_the_statistics(name: str, shard_of: Callable[..., TokenShard]) -> None:
    recipe = RECIPES[name]
    plain = replace(as_published(recipe.objective), infill_share=1.0)

    def stats(**options: float) -> RowStats:
        stream = RowStream(shard_of(recipe), recipe.model.context_length, replace(plain, **options), 3)  # type: ignore[arg-type]
        found = collect_row_stats(stream, 0, 40)
        assert found.cut == 0
        return found

    before = stats()
    assert not before.known
    assert not before.suffix_first
    anchored = stats(anchor_share=1.0)
    assert len(anchored.known) > 0.8 * anchored.middles
    assert np.mean(anchored.ratios) == pytest.approx(np.mean(before.ratios), abs=0.02)
    assert 60 < np.mean(anchored.known) < 200
    first = stats(suffix_first_share=1.0)
    assert first.suffix_first > 0.9 * first.parts
    assert np.mean(first.ratios) == pytest.approx(np.mean(before.ratios), abs=0.02)
    near = stats(near_suffix_share=1.0)
    assert np.median(near.below) < 0.8 * np.median(before.below)
    assert near.parts > 1.5 * before.parts, "the text below a block becomes a separate part"
