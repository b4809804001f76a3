import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.prompt.token_healing import MAX_FORCED_CHARS, heal


@pytest.mark.parametrize(
    ("known", "forced"),
    [
        ("", ""),
        ("self.na", "na"),
        ("return val", " val"),
        ("x = ", " "),
        ("x =", " ="),
        ("f(", "("),
        ("f(a)[", ")["),
        ("foo_bar", "bar"),
        ("foo_", "_"),
        ("x = 12", " 12"),
        ("x1", "1"),
        ("    ret", "ret"),
        ("naïve", "naïve"),
    ],
)
def test_the_last_piece_is_generated_again(known, forced):
    assert heal(known).forced == forced


@pytest.mark.parametrize("known", ["x\n", "x = 1\n    ", "\t", "a  ", "x" * (MAX_FORCED_CHARS + 1)])
def test_runs_of_blanks_line_ends_and_long_words_are_not_healed(known):
    assert heal(known).forced == ""
    assert heal(known).kept == known


@given(st.text(alphabet="ab1_ (.\n\té", max_size=40))
def test_healing_keeps_all_text(known):
    healed = heal(known)
    assert healed.kept + healed.forced == known
    assert len(healed.forced) <= MAX_FORCED_CHARS
