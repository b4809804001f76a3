"""The training objective: causal LM and file-level span corruption, mixed per row.

This follows the CodeGen2 paper (arXiv 2305.02309) as far as its recipe is known. A row is causal or corrupted with
equal probability. A row that contains several documents is split at their boundaries, and each part is corrupted
separately. The masked share is drawn for each part, and span lengths are uniform. This project chose the ranges,
cuts between characters, spans that end at a line end, and everything that is an option.
"""

from cg2_training.objective.config import IGNORED, INFILLS, ObjectiveConfig, as_published, make_labels
from cg2_training.objective.layout import corrupt
from cg2_training.objective.rows import Row, corrupt_row, make_causal_row
from cg2_training.objective.spans import choose_spans

__all__ = [
    "IGNORED",
    "INFILLS",
    "ObjectiveConfig",
    "Row",
    "as_published",
    "choose_spans",
    "corrupt",
    "corrupt_row",
    "make_causal_row",
    "make_labels",
]
