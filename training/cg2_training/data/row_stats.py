"""Statistics of a recipe's training rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cg2_training.data.batches import TrainingRows
from cg2_training.objective import IGNORED, make_labels
from cg2ls.models.codegen2 import CodeTokenizer


@dataclass
class RowStats:
    """Counts over training rows.

    Attributes:
        rows: number of rows.
        infill_rows: rows with at least one corrupted part.
        parts: corrupted parts.
        cut: infill rows in which a mask has no answer that ends with `<eom>`.
        tokens: tokens of all rows, without padding.
        infill_labels: labels with loss in infill rows.
        ratios: masked share of the characters of each part.
        lengths: characters of middles by the number of their mask, from 1.
        single_line: middles without a newline except at their end.
        known: characters of known text before each middle that has some in its answer.
        suffix_first: parts with all text before the first middle in its answer.
        below: characters of the text below each part's last middle.
    """

    rows: int = 0
    infill_rows: int = 0
    parts: int = 0
    cut: int = 0
    tokens: int = 0
    infill_labels: int = 0
    ratios: list[float] = field(default_factory=list)
    lengths: dict[int, list[int]] = field(default_factory=dict)
    single_line: int = 0
    known: list[int] = field(default_factory=list)
    suffix_first: int = 0
    below: list[int] = field(default_factory=list)

    @property
    def middles(self) -> int:
        """Number of middles."""
        return sum(map(len, self.lengths.values()))

    def add(self, row: Iterable[int], tokenizer: CodeTokenizer, cursors: Collection[int] = ()) -> None:
        """Count one row of token ids.

        Args:
            row: ids; negative ids are padding.
            tokenizer: tokenizer of the row.
            cursors: indices of the first tokens of middles; by default a middle begins after its mask.
        """
        special = tokenizer.special
        tokens = [int(token) for token in row if token >= 0]
        self.rows += 1
        self.tokens += len(tokens)
        if special.sep not in tokens:
            return
        self.infill_rows += 1
        self.infill_labels += int((make_labels(np.array(tokens), special) != IGNORED).sum())
        begin, is_complete = 0, True
        while special.sep in tokens[begin:]:
            sep = tokens.index(special.sep, begin)
            # A causal part may come before; it ends with `<|endoftext|>`, as the prompt does.
            ends = [i for i in range(begin, sep - 1) if tokens[i] == special.end_of_text]
            prompt = tokens[(ends[-1] + 1 if ends else begin) : sep - 1]
            end = next((i for i in range(sep, len(tokens)) if tokens[i] == special.end_of_text), len(tokens))
            is_complete &= self._part(
                prompt, tokens[sep + 1 : end], tokenizer, {at - sep - 1 for at in cursors}
            )
            begin = end + 1
        self.cut += not is_complete

    def _part(
        self, prompt: list[int], answers: list[int], tokenizer: CodeTokenizer, cursors: set[int]
    ) -> bool:
        """Count a part; tell whether every mask has its answer. `cursors` are indices in `answers`."""
        special = tokenizer.special
        begin = known_chars = 0
        prompt_masks = [token for token in prompt if token >= special.first_mask_id]
        answered_masks: list[int] = []
        masked = 0
        while answers and special.eom in answers:
            end = answers.index(special.eom)
            cursor = next((at - begin for at in sorted(cursors) if 0 < at - begin < end), 1)
            middle = tokenizer.decode(answers[cursor:end])
            if known := tokenizer.decode(answers[1:cursor]):
                self.known.append(len(known))
                known_chars += len(known)
                self.suffix_first += len(answered_masks) == 0 and prompt[:1] == answers[:1]
            answered_masks.append(answers[0])
            self.lengths.setdefault(len(answered_masks), []).append(len(middle))
            self.single_line += "\n" not in middle[:-1]
            masked += len(middle)
            answers = answers[end + 1 :]
            begin += end + 1
        self.parts += 1
        self.ratios.append(masked / max(1, masked + known_chars + len(tokenizer.decode(prompt))))
        if prompt_masks:
            last = len(prompt) - 1 - prompt[::-1].index(prompt_masks[-1])
            self.below.append(len(tokenizer.decode(prompt[last + 1 :])))
        return prompt_masks == answered_masks and not answers

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as `cg2-train show-batch --stats --json` prints them."""
        ratios = np.array(self.ratios or [0.0])
        return {
            "rows": self.rows,
            "infill_rows": self.infill_rows,
            "rows_cut": self.cut,
            "tokens_per_row": round(self.tokens / max(1, self.rows), 1),
            "parts": self.parts,
            "mask_ratio": {
                "mean": round(float(ratios.mean()), 4),
                "p05": round(float(np.quantile(ratios, 0.05)), 4),
                "p95": round(float(np.quantile(ratios, 0.95)), 4),
            },
            "middles": self.middles,
            "middles_per_part": round(self.middles / max(1, self.parts), 2),
            "chars_by_mask": {
                str(number): {"middles": len(chars), "mean": round(float(np.mean(chars)), 1)}
                for number, chars in sorted(self.lengths.items())
            },
            "middle_starts_per_1000_labels": round(1000 * self.middles / max(1, self.infill_labels), 2),
            "single_line_share": round(self.single_line / max(1, self.middles), 4),
            "known_text": {
                "share_of_middles": round(len(self.known) / max(1, self.middles), 4),
                "mean_chars": round(float(np.mean(self.known or [0])), 1),
            },
            "suffix_first_share_of_parts": round(self.suffix_first / max(1, self.parts), 4),
            "chars_below_last_middle": round(float(np.mean(self.below or [0])), 1),
        }


def collect_row_stats(stream: TrainingRows, first: int, count: int) -> RowStats:
    """Count rows `first` to `first + count - 1`."""
    stats = RowStats()
    for number in range(first, first + count):
        row = stream.make_row(number)
        stats.add(row.tokens, stream.tokenizer, row.cursors)
    return stats
