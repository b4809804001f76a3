"""What the server is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options from the command line and from the editor.

    Attributes:
        model_flag: model by name or folder, from the command line.
        model_setting: the same from the editor's `initializationOptions`; the command line goes before it.
    """

    model_flag: str | None = None
    model_setting: str | None = None

    def with_settings(self, raw: object) -> tuple[ServerOptions, list[str]]:
        """Takes the editor's `initializationOptions` in: `{"model": "NAME or folder"}`.

        Returns:
            The options, and one sentence for every setting that was left out because it makes no sense.
        """
        if raw is None:
            return self, []
        if not isinstance(raw, Mapping):
            return self, ["initializationOptions must be an object; the defaults are used."]
        model = raw.get("model")
        if model is not None and not isinstance(model, str):
            return self, ["The setting `model` must be a model's name or folder; the default is used."]
        return ServerOptions(model_flag=self.model_flag, model_setting=model or None), []
