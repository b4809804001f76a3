"""cg2ls.json: facts about a checkpoint for which config.json has no key.

The file is optional and is in the checkpoint's folder. Its keys have the meaning they have in model.json: name,
license, document_header, infill, languages, source, quality. Each may be missing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cg2ls.errors import Cg2Error
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text
from cg2ls.models.codegen2.checkpoint import read_json
from cg2ls.models.folder.description import (
    Infill,
    Language,
    ModelDescription,
    Source,
    read_infill,
    read_languages,
    read_source,
)
from cg2ls.models.folder.fields import FieldError, Fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FACTS = "cg2ls.json"


class FactsError(Cg2Error):
    """A cg2ls.json that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The content of one cg2ls.json, with the attributes of `ModelDescription`.

    The defaults hold for a published checkpoint: both objectives, the anchor at the cursor.
    """

    name: str = ""
    license: str = ""
    document_header: str = ""
    infill: Infill = field(default_factory=Infill)
    languages: Mapping[str, Language] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    quality: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, checkpoint: Path) -> Facts:
        """Read `checkpoint`/cg2ls.json; return the defaults if there is none.

        Raises:
            FactsError: a value has the wrong type.
            CheckpointError: the file is not a JSON object.
        """
        path = checkpoint / FACTS
        if not path.exists():
            return cls()
        raw = Fields(read_json(path))
        try:
            return cls(
                name=raw.text("name") if "name" in raw else "",
                license=raw.text("license") if "license" in raw else "",
                document_header=raw.text("document_header") if "document_header" in raw else "",
                infill=read_infill(raw.object("infill")) if "infill" in raw else Infill(),
                languages=read_languages(raw.object("languages")) if "languages" in raw else {},
                source=read_source(raw.object("source")) if "source" in raw else Source(),
                quality=raw.object("quality").numbers() if "quality" in raw else {},
            )
        except FieldError as error:
            raise FactsError(f"{path}: {error}") from None

    @classmethod
    def of_model(cls, model: ModelDescription) -> Facts:
        """Return the facts that a model folder states about its checkpoint."""
        return cls(**{name: getattr(model, name) for name in cls.__dataclass_fields__})

    def write(self, checkpoint: Path) -> None:
        """Write `checkpoint`/cg2ls.json atomically."""
        raw: dict[str, Any] = {
            "name": self.name,
            "license": self.license,
            "document_header": self.document_header,
            "infill": asdict(self.infill) | {"objectives": list(self.infill.objectives)},
            "languages": {name: asdict(language) for name, language in self.languages.items()},
            "source": asdict(self.source),
            "quality": dict(self.quality),
        }
        write_atomically(checkpoint / FACTS, json_text(raw, indent=2, origin=FACTS) + "\n")
