"""The table of options: every name, type, default and purpose.

docs/reference/options.md and the editors' settings are generated from it (`python tools/options_page.py`). An option is
one field here; `cg2ls.server.settings` finds which value is in force in which document.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from cg2ls.completion import CompletionOptions

Scope = Literal["document", "server"]
"""Whether a language or a folder may have its own value."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Documentation and limits of an option.

    Attributes:
        doc: one or two sentences for users.
        scope: whether it may differ from document to document.
        min_value: smallest value of a number; None for any.
        max_value: largest value of a number; None for any.
        patterns: whether its strings are patterns of .gitignore.
    """

    doc: str
    scope: Scope = "document"
    min_value: float | None = None
    max_value: float | None = None
    patterns: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options in force in one document. In messages each name is in camel case, as in `maxLines`."""

    enable: Annotated[bool, About(doc="Offer completions here.")] = True
    model: Annotated[
        str,
        About(
            doc="Model to answer with: a name of `cg2ls models list` or a model folder. Empty for the choice of"
            " `cg2ls models use`, else the shipped default. The command line's `--model` has priority."
        ),
    ] = ""
    automatic: Annotated[
        bool, About(doc="Complete while typing. If false, only explicit requests are answered.")
    ] = True
    unknown_languages: Annotated[
        bool, About(doc="Also complete in languages that the model was not trained on.")
    ] = False
    comments: Annotated[bool, About(doc="Complete in comments while typing.")] = True
    exclude: Annotated[
        tuple[str, ...],
        About(
            doc="Files to exclude, as patterns of .gitignore: nothing is completed in them, and they are not"
            " read to complete other files.",
            patterns=True,
        ),
    ] = ()
    repository_memory: Annotated[
        bool,
        About(doc="Use the workspace's own text: names and phrases of its files and of open documents."),
    ] = True
    repository_memory_dependencies: Annotated[
        bool,
        About(
            doc="Use installed packages too: those of the workspace's virtual environment (Python) or of its"
            " package.json (JavaScript, TypeScript)."
        ),
    ] = False
    max_lines: Annotated[
        int,
        About(
            doc="Maximum number of lines shown at once; 0 for the whole block, 1 for single lines only.",
            min_value=0,
        ),
    ] = 0
    context_tokens: Annotated[
        int,
        About(
            doc="Tokens of the prompt for text of other files: imported, recently seen or similar; 0 for none."
            " It leaves less of the prompt for the document, so it suits models with a long context.",
            min_value=0,
        ),
    ] = 0
    candidates: Annotated[
        int,
        About(
            doc="Number of completions to choose from, with the editor's next and previous, on an explicit"
            " request; while typing there is one.",
            min_value=1,
            max_value=8,
        ),
    ] = 3
    line_tokens: Annotated[
        int, About(doc="Maximum number of tokens generated for the rest of one line.", min_value=1)
    ] = 48
    block_tokens: Annotated[
        int, About(doc="Maximum number of tokens generated for several lines.", min_value=1)
    ] = 128
    delay_ms: Annotated[
        int | None,
        About(
            doc="Milliseconds to wait after a key before the model runs; null to adapt to the user's typing.",
            min_value=0,
            max_value=5000,
        ),
    ] = None
    eagerness: Annotated[
        Literal["quiet", "balanced", "eager"],
        About(
            doc="How much is shown while typing, if the model has a fitted gate and `minConfidence` is null: `quiet`"
            " shows less that is wrong, `eager` more that is right."
        ),
    ] = "balanced"
    min_confidence: Annotated[
        float | None,
        About(
            doc="Minimum probability, from 0 to 1, of a completion that is shown while typing; null for the model's"
            " fitted gate, or for the measured threshold, 0.1 without memory and 0.35 with it.",
            min_value=0,
            max_value=1,
        ),
    ] = None
    choose: Annotated[
        Literal["on_request", "hypotheses", "greedy"],
        About(
            doc="When several lines are compared by what the model makes of the text below, where it is not sure:"
            " `on_request` for explicit requests, `hypotheses` while typing too, `greedy` for never."
        ),
    ] = "on_request"
    speculate: Annotated[
        bool, About(doc="Compute, while idle, what comes after the completion that is shown.")
    ] = True
    read_ahead_seconds: Annotated[
        int,
        About(
            doc="Processor seconds per minute in which the text around the cursor is read before a completion is"
            " requested there; 0 for never. Nothing is read ahead on battery.",
            min_value=0,
            max_value=60,
        ),
    ] = 6
    provider: Annotated[
        Literal["auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino"],
        About(doc="Where models run; `auto` uses a graphics card if one works.", scope="server"),
    ] = "auto"
    threads: Annotated[
        int,
        About(
            doc="Number of threads of one operator; 0 for one per fast core.",
            scope="server",
            min_value=0,
            max_value=256,
        ),
    ] = 0
    max_memory_mb: Annotated[
        int | None,
        About(
            doc="Maximum RAM of a model and its caches, in MB; null for no limit.",
            scope="server",
            min_value=1,
        ),
    ] = None
    unload_after_minutes: Annotated[
        int,
        About(
            doc="Minutes without a request after which a model is unloaded until the next one; 0 for never.",
            scope="server",
            min_value=0,
        ),
    ] = 30
    stats: Annotated[
        bool,
        About(
            doc="Count what was shown and accepted, in a file on this machine without any of your text; see"
            " `cg2ls stats`.",
            scope="server",
        ),
    ] = True
    learn_from_acceptances: Annotated[
        bool,
        About(
            doc="Keep numbers about completions shown while typing, and whether they were accepted, in a file on this"
            " machine without any of your text, and use the gate that `cg2ls gate fit --own` makes of them.",
            scope="server",
        ),
    ] = False
    log_level: Annotated[
        Literal["error", "warning", "info", "debug"] | None,
        About(doc="How much is logged; null for `info` in a file and `warning` on stderr.", scope="server"),
    ] = None
    log_text: Annotated[
        bool,
        About(
            doc="Let the log quote your source text, at the level debug, to find a defect.",
            scope="server",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class OptionEntry:
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
        """Return the type in words of JSON."""
        plain = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list of strings"}
        said = " or ".join(f'"{value}"' for value in self.values) or plain[self.kind]
        return f"{said} or null" if self.nullable else said


@cache
def table() -> dict[str, OptionEntry]:
    """Return every option by its name in messages, in the table's order."""
    hints = get_type_hints(Options, include_extras=True)
    entries = (_entry(each.name, hints[each.name], each.default) for each in fields(Options))
    return {entry.name: entry for entry in entries}


def _entry(field: str, hint: Any, default: Any) -> OptionEntry:
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
    return OptionEntry(
        field=field,
        name=camel(field),
        kind=kind,
        values=values,
        nullable=nullable,
        default=default,
        about=about,
    )


def camel(name: str) -> str:
    """Convert a field's name to camel case: `max_lines` to `maxLines`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@lru_cache
def completion_options(options: Options) -> CompletionOptions:
    """Return the options of completion that are in force in a document."""
    return CompletionOptions(
        enable=options.enable,
        automatic=options.automatic,
        line_tokens=options.line_tokens,
        block_tokens=options.block_tokens,
        max_lines=options.max_lines or None,
        unknown_languages=options.unknown_languages,
        comments=options.comments,
        context_tokens=options.context_tokens,
        min_confidence=options.min_confidence,
        eagerness=options.eagerness,
        choose=options.choose,
    )
