"""The training objective: causal LM and file-level span corruption, mixed per row.

Recipe of the CodeGen2 paper (arXiv 2305.02309) as far as it is known: a row is left alone or corrupted with
equal chance; a row that holds several documents is split at their boundaries and each part is corrupted by
itself; the share of masked text is drawn anew for each part and span lengths are uniform. The ranges, cuts
between characters and spans that end at a line are this project's choice, as is whatever is an option.
"""

from cg2_training.objective.config import IGNORED, INFILLS, ObjectiveConfig, make_labels
from cg2_training.objective.layout import corrupt
from cg2_training.objective.rows import Row, corrupt_row, make_causal_row
from cg2_training.objective.spans import choose_spans

__all__ = [
    "IGNORED",
    "INFILLS",
    "ObjectiveConfig",
    "Row",
    "choose_spans",
    "corrupt",
    "corrupt_row",
    "make_causal_row",
    "make_labels",
]
