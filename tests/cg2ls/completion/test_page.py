"""docs/reference/completion.md says what the code says."""

import re
from pathlib import Path

from cg2ls.completion.postprocess import RULES
from cg2ls.completion.trigger.suppression import SUPPRESSIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "completion.md"


def test_the_page_lists_every_rule_and_silence_in_its_order():
    rows = re.findall(r"^\| `(\w+)`( \(by hand too\))? \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    wanted = [
        (suppression.name, " (by hand too)" if suppression.invoked_too else "", suppression.says)
        for suppression in SUPPRESSIONS
    ]
    assert rows == wanted + [(rule.name, "", rule.says) for rule in RULES]
