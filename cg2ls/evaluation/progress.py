"""Progress of long work: how a measurement reports it, and bars on stderr where a person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Shows how many items of a measurement are done."""

    def __call__(self, items: Iterable[T], title: str, total: int) -> Iterable[T]:
        """Yield the items.

        Args:
            items: items that are measured one by one.
            title: name of the items, for people.
            total: number of items.
        """


def untracked(items: Iterable[T], title: str, total: int) -> Iterable[T]:  # noqa: ARG001
    """Yield the items and show nothing."""
    return items


def show_progress(items: Iterable[T], title: str, total: int) -> Iterable[T]:
    """Yield items with a bar that tells the time that is left; see `cg2ls.evaluation.progress.Track`."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, **_style()) as bar:
        for item in items:
            yield item
            bar.update()


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that sets a bar to a number of items done, of a number in all."""
    from tqdm import tqdm

    with tqdm(desc=title, **_style()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _style() -> dict[str, Any]:
    """Return the settings of all bars; `disable` as None is off where stderr is no terminal."""
    return {"disable": None, "dynamic_ncols": True, "leave": False, "unit": "", "smoothing": 0.1}
