"""Held-out cursors in the server's layout: the rest of a line, with the right text below, a wrong one, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cg2_training.data.batches import Batch, RowStream
from cg2_training.data.shards import ShardSet, TokenShard
from cg2_training.evaluate.losses import EVALUATION_SEED, ROWS_PER_PASS
from cg2_training.objective import IGNORED, ObjectiveConfig
from cg2_training.objective.rows import token_starts
from cg2ls.models.codegen2 import CodeTokenizer, SpecialTokens

Suffix = Literal["right", "wrong", "none"]
SUFFIXES: tuple[Suffix, ...] = get_args(Suffix)
"""Text below the cursor: the file's, that of another place, or none."""

MAX_LINES_ABOVE = 3
"""Maximum number of whole lines between the anchor and the cursor's line."""

MIN_MIDDLE_CHARS = 2
RESERVED_TOKENS = 12
"""Tokens of a row for special tokens and for those that cuts between pieces add."""

Predictor = Callable[[Batch], tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]
"""Cross entropy in nats and most probable id of every label, [rows, context]; see `TokenLosses`."""


@dataclass(frozen=True)
class Place:
    """One cursor, as token ids of its pieces.

    Attributes:
        prefix: text before the anchor.
        known: text from the anchor, at the start of a line, to the cursor.
        middle: rest of the cursor's line.
        suffix: text below.
    """

    prefix: Sequence[int]
    known: Sequence[int]
    middle: Sequence[int]
    suffix: Sequence[int]


@dataclass(frozen=True)
class ServedScore:
    """Sums over places.

    Attributes:
        places: number of places.
        exact: places at which the most probable tokens are the rest of the line and then its end.
        nats: cross entropy by suffix and by position in the middle.
        tokens: labels by position in the middle, the same for every suffix.
    """

    places: int = 0
    exact: int = 0
    nats: Mapping[Suffix, Mapping[str, float]] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self, digits: int = 17) -> dict[str, Any]:
        """Return rounded numbers, as the log has them: nats per token by suffix and position."""
        return {
            "places": self.places,
            "exact_line": round(self.exact / max(1, self.places), digits),
            **{
                f"{suffix}_suffix": {
                    place: round(nats / max(1, self.tokens[place]), digits)
                    for place, nats in by_place.items()
                }
                for suffix, by_place in self.nats.items()
            },
        }


def draw_places(shard: TokenShard, context: int, count: int) -> list[Place]:
    """Draw cursors inside lines of held-out text, at most one for each row of `context` tokens.

    The places depend only on the shard, the context and the count. Rows without a suitable line have none.
    """
    stream = RowStream(shard, context, ObjectiveConfig(), EVALUATION_SEED)
    places: list[Place] = []
    for number in range(stream.rows_per_epoch):
        if len(places) == count:
            break
        rng = np.random.default_rng([EVALUATION_SEED, 11, number])
        tokens = _longest_part(stream.source_tokens(number).tolist(), shard.tokenizer.special.end_of_text)
        place = _draw_place(tokens[: max(0, context - RESERVED_TOKENS)], shard.tokenizer, rng)
        if place and _row_size(place) <= context + 1:
            places.append(place)
    return places


def _longest_part(tokens: list[int], end_of_text: int) -> list[int]:
    ends = [-1, *(at for at, token in enumerate(tokens) if token == end_of_text), len(tokens)]
    parts = [tokens[begin + 1 : end] for begin, end in pairwise(ends)]
    return max(parts, key=len)


def _draw_place(tokens: list[int], tokenizer: CodeTokenizer, rng: np.random.Generator) -> Place | None:
    text = tokenizer.decode_bytes(tokens).decode("utf-8", errors="ignore")
    # The first line may begin inside a word, and the last one may end there.
    lines = text.split("\n")
    choices = [n for n in range(1, len(lines) - 1) if len(lines[n].strip()) > MIN_MIDDLE_CHARS]
    if not choices:
        return None
    chosen = int(rng.choice(choices))
    line = lines[chosen]
    starts = token_starts(tokenizer.encode(line), line, tokenizer)
    indent, last = len(line) - len(line.lstrip()), len(line.rstrip()) - MIN_MIDDLE_CHARS
    columns = [at for at in ([] if starts is None else starts.tolist()) if indent <= at <= last]
    if not columns:
        return None
    begin = sum(len(one) + 1 for one in lines[:chosen])
    cursor, end = begin + int(rng.choice(columns)), begin + len(line)
    first = max(1, chosen - int(rng.integers(MAX_LINES_ABOVE + 1)))
    anchor = sum(len(one) + 1 for one in lines[:first])
    return Place(
        prefix=tokenizer.encode(text[:anchor]),
        known=tokenizer.encode(text[anchor:cursor]),
        middle=tokenizer.encode(text[cursor:end]),
        suffix=tokenizer.encode(text[end:]),
    )


def _row_size(place: Place) -> int:
    """Return the tokens of the row: all pieces, the mask twice, `<|endoftext|>`, `<sep>` and `<eom>`."""
    return len(place.prefix) + len(place.known) + len(place.middle) + len(place.suffix) + 5


def place_batch(
    places: Sequence[Place], first: int, count: int, context: int, special: SpecialTokens, suffix: Suffix
) -> Batch:
    """Return places `first` to `first + count - 1` as rows; only the middles and their `<eom>` have labels.

    A wrong suffix is that of the next place, no longer than the right one.
    """
    tokens = np.full((count, context + 1), special.end_of_text, dtype=np.int64)
    labels = np.full((count, context), IGNORED, dtype=np.int64)
    regions = np.zeros((count, context), dtype=np.int64)
    for row in range(count):
        place = places[first + row]
        other = places[(first + row + 1) % len(places)].suffix[: len(place.suffix)]
        below = {"right": place.suffix, "wrong": other, "none": ()}[suffix]
        prompt = special.lay_out(place.prefix, below, place.known, fills_in=True)
        answer = [*place.middle, special.eom]
        tokens[row, : len(prompt) + len(answer)] = [*prompt, *answer]
        labels[row, len(prompt) - 1 : len(prompt) - 1 + len(answer)] = answer
        regions[row, : len(prompt) - len(place.known) - 1] = 1
    return Batch(tokens[:, :-1], labels, labels != IGNORED, regions)


def by_position(batch: Batch, special: SpecialTokens) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks of the labels by position after the cursor."""
    counted = batch.labels != IGNORED
    position = np.cumsum(counted, axis=1) - 1
    ends = batch.labels == special.eom
    return {
        "first": counted & (position == 0) & ~ends,
        "2 to 4": counted & (position >= 1) & (position <= 3) & ~ends,
        "5 and on": counted & (position >= 4) & ~ends,
        "eom": ends,
    }


def find_exact(
    batch: Batch, predicted: npt.NDArray[np.int64], tokenizer: CodeTokenizer
) -> npt.NDArray[np.bool_]:
    """Return which rows' most probable tokens are the middle and then an end of the line, bool [rows].

    Decoding the most probable token at each step gives the same line, since all tokens before are right. A stop token
    and a token that begins with a newline end the line.
    """
    special, table = tokenizer.special, tokenizer.token_bytes
    ends_line = np.array(
        [special.is_stop(token) or table[token][:1] == b"\n" for token in range(special.vocab_size)]
    )
    is_right = (predicted == batch.labels) | (batch.labels == IGNORED)
    is_right |= (batch.labels == special.eom) & ends_line[predicted]
    exact: npt.NDArray[np.bool_] = is_right.all(axis=1)
    return exact


def score_places(
    predict: Predictor, heldout: TokenShard | ShardSet, context: int, count: int, *, prefix_lm: bool = False
) -> ServedScore:
    """Score a model at held-out places, an equal number of each source.

    Args:
        predict: predictor of the model.
        heldout: held-out tokens.
        context: tokens of a row.
        count: places of each source; fewer if it has fewer.
        prefix_lm: whether the model has bidirectional attention in prompts.
    """
    shards = ShardSet.of(heldout).shards.values()
    total = exact = 0
    nats = {suffix: dict.fromkeys(POSITIONS, 0.0) for suffix in SUFFIXES}
    tokens = dict.fromkeys(POSITIONS, 0)
    for shard in shards:
        places = draw_places(shard, context, count)
        total += len(places)
        special = shard.tokenizer.special
        for first in range(0, len(places), ROWS_PER_PASS):
            size = min(ROWS_PER_PASS, len(places) - first)
            for suffix in SUFFIXES:
                batch = place_batch(places, first, size, context, special, suffix)
                losses, predicted = predict(batch if prefix_lm else without_regions(batch))
                for position, mask in by_position(batch, special).items():
                    nats[suffix][position] += float(losses[mask].sum(dtype=np.float64))
                    tokens[position] += int(mask.sum()) if suffix == "right" else 0
                exact += int(find_exact(batch, predicted, shard.tokenizer).sum()) if suffix == "right" else 0
    return ServedScore(total, exact, nats, tokens)


POSITIONS = ("first", "2 to 4", "5 and on", "eom")
"""Positions after the cursor."""


def without_regions(batch: Batch) -> Batch:
    """Return the batch without bidirectional prompts, as for a causal model."""
    return Batch(batch.tokens, batch.labels, batch.answers, np.zeros_like(batch.regions))
