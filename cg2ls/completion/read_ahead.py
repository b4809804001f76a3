"""Read the prompt of a place before anyone asks for a completion there.

Reading the window takes most of the time of an answer at a new place. What was read stays in the cache of the engine.
So it is of use for every later request near the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.faults import read_engine
from cg2ls.completion.types import NO_RETRIEVAL, Retrieval
from cg2ls.engine.request import never

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.completion.session import DocumentSession


def read_ahead(
    session: DocumentSession,
    text: str,
    offset: int,
    stop: Callable[[], bool] = never,
    retrieval: Retrieval = NO_RETRIEVAL,
) -> int:
    """Read the prompt of an automatic request, so that a request at the cursor only has to generate.

    Args:
        session: of the document; no call of it may run meanwhile.
        text: the whole document, with any line ends.
        offset: of the cursor, in code points.
        stop: returns whether to stop; called before every run of the model.
        retrieval: sources of information from other files; the prior is not asked.

    Returns:
        The number of tokens read; 0 if all were read before or nothing would be generated there.

    Raises:
        Exception: as `DocumentSession.complete`.
    """
    if stop():
        return 0
    request = session.make_request(text, offset, Retrieval(context_of=retrieval.context_of))
    return 0 if request is None or stop() else read_engine(session.engine, request, stop)
