"""Places seen lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.retrieval.context.recent_places import MAX_PLACES, RecentPlaces
from cg2ls.retrieval.context.snippet import SNIPPET_LINES


def lines(*words: str) -> str:
    return "".join(f"{word} = {word}_of(first, second)\n" for word in words)


def test_the_newest_place_is_the_first():
    places = RecentPlaces()
    places.add("a.py", lines("alpha"), 0)
    places.add("b.py", lines("beta"), 0)
    assert [seen.path for seen in places] == ["b.py", "a.py"]


def test_a_place_seen_again_is_there_once_as_it_is_now():
    places = RecentPlaces()
    places.add("a.py", lines("alpha"), 0)
    places.add("a.py", lines("alpha", "gamma"), 0)
    assert [seen.text for seen in places] == [lines("alpha", "gamma") + "\n"]


def test_the_same_text_in_another_file_is_one_place():
    places = RecentPlaces()
    places.add("a.py", lines("alpha", "beta"), 0)
    places.add("copy.py", lines("alpha", "beta"), 0)
    assert [seen.path for seen in places] == ["copy.py"]


@given(st.text("ab\n \x0c", max_size=400), st.data())
def test_it_holds_few_short_places(text, data):
    places = RecentPlaces()
    for number in range(2 * MAX_PLACES):
        places.add(f"{number}.py", f"name_{number}\n" + text, data.draw(st.integers(0, len(text))))
    assert len(list(places)) <= MAX_PLACES
    assert all(seen.text.count("\n") <= SNIPPET_LINES for seen in places)
