"""The one table of options: every name, type, default and what it is for.

docs/reference/options.md and the editors' settings are generated from it (`python tools/options_page.py`). An option is
one field here; `cg2ls.server.settings` finds out which value holds in which document.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

Scope = Literal["document", "server"]
"""Whether a language or a folder may have a value of its own."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What people are told of an option, and what its values may be.

    Attributes:
        doc: one or two sentences.
        scope: whether it may differ from document to document.
        least: smallest value of a number; None for any.
        most: largest value of a number; None for any.
        patterns: whether its strings are patterns of .gitignore.
    """

    doc: str
    scope: Scope = "document"
    least: float | None = None
    most: float | None = None
    patterns: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """What holds in one document. In messages each name is in camel case, as in `maxLines`."""

    enable: Annotated[bool, About(doc="Offer completions here.")] = True
    model: Annotated[
        str,
        About(
            doc="Model to answer with: a name of `cg2ls models list` or a model folder. Empty for the choice of"
            " `cg2ls models use`, else the shipped default. The command line's `--model` goes before it."
        ),
    ] = ""
    automatic: Annotated[
        bool, About(doc="Complete while one types. If false, only requests the user makes are answered.")
    ] = True
    unknown_languages: Annotated[
        bool, About(doc="Complete in languages that the model was not trained on, too.")
    ] = False
    comments: Annotated[bool, About(doc="Complete in comments while one types.")] = True
    exclude: Annotated[
        tuple[str, ...],
        About(
            doc="Files to leave alone, as patterns of .gitignore: nothing is completed in them, and nothing of"
            " them is read for other files.",
            patterns=True,
        ),
    ] = ()
    memory: Annotated[
        bool,
        About(
            doc="Let the workspace's own text take part: names and phrases of its files and of open documents."
        ),
    ] = True
    memory_dependencies: Annotated[
        bool,
        About(
            doc="Let installed packages take part too: the workspace's virtual environment (Python), or what its"
            " package.json names (JavaScript, TypeScript)."
        ),
    ] = False
    max_lines: Annotated[
        int,
        About(doc="Most lines shown at once; 0 for as many as the block has, 1 for no blocks.", least=0),
    ] = 0
    context_tokens: Annotated[
        int,
        About(
            doc="Tokens of the prompt for text of other files: what is imported, seen lately, or similar; 0 for"
            " none. It takes room from the document itself, so it is for models with a long context.",
            least=0,
        ),
    ] = 0
    candidates: Annotated[
        int,
        About(
            doc="Completions to choose from, with the editor's next and previous, where the user asks for one;"
            " while one types it is one.",
            least=1,
            most=8,
        ),
    ] = 3
    line_tokens: Annotated[int, About(doc="Most tokens generated for the rest of one line.", least=1)] = 48
    block_tokens: Annotated[int, About(doc="Most tokens generated for several lines.", least=1)] = 128
    delay_ms: Annotated[
        int | None,
        About(
            doc="Milliseconds to wait after a key before the model runs; null to follow the user's rhythm.",
            least=0,
            most=5000,
        ),
    ] = None
    min_confidence: Annotated[
        float | None,
        About(
            doc="Least probability, from 0 to 1, a completion must have to be shown while one types; null for"
            " the measured threshold, 0.1 without memory and 0.35 with it.",
            least=0,
            most=1,
        ),
    ] = None
    speculate: Annotated[
        bool, About(doc="Work out, while idle, what comes after the completion that is shown.")
    ] = True
    provider: Annotated[
        Literal["auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino"],
        About(doc="Where models run; `auto` takes a graphics card that works.", scope="server"),
    ] = "auto"
    threads: Annotated[
        int,
        About(doc="Threads inside one operator; 0 for one per fast core.", scope="server", least=0, most=256),
    ] = 0
    memory_mb: Annotated[
        int | None,
        About(
            doc="Most memory a model and what it has read may take, in MB; null for no limit.",
            scope="server",
            least=1,
        ),
    ] = None
    unload_after_minutes: Annotated[
        int,
        About(
            doc="Minutes without a request after which a model gives its memory back until the next one; 0 for"
            " never.",
            scope="server",
            least=0,
        ),
    ] = 30
    stats: Annotated[
        bool,
        About(
            doc="Count what was shown and accepted, in a file on this machine that holds no text of yours; see"
            " `cg2ls stats`.",
            scope="server",
        ),
    ] = True
    log_level: Annotated[
        Literal["error", "warning", "info", "debug"] | None,
        About(
            doc="How much the log says; null for `info` in a file and `warning` on stderr.", scope="server"
        ),
    ] = None
    log_text: Annotated[
        bool,
        About(
            doc="Let the log quote your source text, at the level debug; for hunting a defect.",
            scope="server",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table.

    Attributes:
        field: its name in `Options`.
        name: its name in messages.
        kind: its type, a plain one of `bool`, `int`, `float`, `str`, `list`.
        values: the only values, of an option that has a choice.
        nullable: whether null is a value.
        default: as JSON has it.
        about: the rest.
    """

    field: str
    name: str
    kind: type
    values: tuple[str, ...]
    nullable: bool
    default: Any
    about: About

    @property
    def type_name(self) -> str:
        """The type in words of JSON."""
        plain = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list of strings"}
        said = " or ".join(f'"{value}"' for value in self.values) or plain[self.kind]
        return f"{said} or null" if self.nullable else said


@cache
def table() -> dict[str, Entry]:
    """Every option by its name in messages, in the table's order."""
    hints = get_type_hints(Options, include_extras=True)
    entries = (_entry(each.name, hints[each.name], each.default) for each in fields(Options))
    return {entry.name: entry for entry in entries}


def _entry(field: str, hint: Any, default: Any) -> Entry:
    assert default is not MISSING
    kind, about = get_args(hint)
    nullable = type(None) in get_args(kind)
    if nullable:
        kind = next(each for each in get_args(kind) if each is not type(None))
    values = get_args(kind) if get_origin(kind) is Literal else ()
    if values:
        kind = str
    elif get_origin(kind) is tuple:
        kind, default = list, list(default)
    return Entry(
        field=field,
        name=camel(field),
        kind=kind,
        values=values,
        nullable=nullable,
        default=default,
        about=about,
    )


def camel(name: str) -> str:
    """`max_lines` as `maxLines`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
