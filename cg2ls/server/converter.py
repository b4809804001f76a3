"""How messages become objects, where `lsprotocol` is stricter than clients are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.protocol import default_converter

if TYPE_CHECKING:
    from cattrs import Converter


def converter() -> Converter:
    """The converter of pygls, with an unknown `triggerKind` read as automatic.

    The enumeration began at 0 in drafts of LSP 3.18 and some clients still send that
    (microsoft/language-server-protocol#1852).
    """
    made: Converter = default_converter()  # type: ignore[no-untyped-call]
    made.register_structure_hook(types.InlineCompletionTriggerKind, _trigger_kind)
    return made


def _trigger_kind(raw: object, _: object) -> types.InlineCompletionTriggerKind:
    invoked = types.InlineCompletionTriggerKind.Invoked
    return invoked if raw == invoked.value else types.InlineCompletionTriggerKind.Automatic
