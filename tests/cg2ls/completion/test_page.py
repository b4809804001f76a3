"""docs/reference/completion.md lists the rules and suppressions of the code."""

import re
from pathlib import Path

from cg2ls.completion.postprocess.pipeline import RULES
from cg2ls.completion.postprocess.rule import CURRENT_NAMES
from cg2ls.completion.trigger import SUPPRESSIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "completion.md"


def test_the_page_lists_every_rule_and_suppression_in_its_order():
    rows = re.findall(
        r"^\| `(\w+)`( \(by hand too\))? \| ([^`].*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    wanted = [
        (suppression.name, " (by hand too)" if suppression.invoked_too else "", suppression.message)
        for suppression in SUPPRESSIONS
    ]
    assert rows == wanted + [(rule.name, "", rule.summary) for rule in RULES]


def test_the_page_lists_every_former_name():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == CURRENT_NAMES
