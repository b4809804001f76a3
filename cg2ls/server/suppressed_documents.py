"""Where the server is silent whatever one types, and why: what users ask first when nothing appears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.prompt.cursor import Cursor
from cg2ls.completion.trigger.suppression import Suppression, TriggerContext, find_suppression
from cg2ls.server.completer import completion_options
from cg2ls.server.uris import is_left_alone

if TYPE_CHECKING:
    from cg2ls.completion import Trigger
    from cg2ls.server.app import Server

PAUSED = Suppression("paused", "Completion is paused; resume it to go on.", lambda _: False, invoked_too=True)

EXCLUDED = Suppression("excluded", "The settings leave this file alone.", lambda _: False, invoked_too=True)

UNKNOWN_TEXT = Suppression(
    "unknown_text",
    "The text of this document is unknown until the editor sends all of it or opens it again.",
    lambda _: False,
    invoked_too=True,
)

SOMEWHERE = Cursor.at("x", 1)
"""A cursor at which nothing is against completing; the reasons left are those of the whole document."""


def off_here(server: Server, uri: str, language: str, trigger: Trigger = "automatic") -> Suppression | None:
    """Why nothing is completed anywhere in a document, None if something may be.

    Args:
        server: with its options and models.
        uri: of the document, "" for any.
        language: its LSP id, "" for any.
        trigger: who asks.
    """
    if server.paused:
        return PAUSED
    if not server.documents.is_known(uri):
        return UNKNOWN_TEXT
    options = server.options_of(uri, language)
    if is_left_alone(uri, server.settings.roots, options.exclude):
        return EXCLUDED
    if alone := server.failures.left_alone(uri, options):
        return alone
    engine = server.model_of(language, uri, load=False).engine
    return find_suppression(
        TriggerContext(
            cursor=SOMEWHERE,
            language=language,
            known_languages=engine.model.languages if engine else (),
            trigger=trigger,
            options=completion_options(options),
        )
    )
