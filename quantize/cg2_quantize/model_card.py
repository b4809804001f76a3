"""README.md of a model folder: the model card, with the metadata that the Hugging Face hub reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cg2_quantize.hub import NAME_ON_HUB
from cg2_quantize.verification.report import REPORT
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.folder.description import ModelDescription

if TYPE_CHECKING:
    from pathlib import Path

CARD = "README.md"

HUB_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "mpl-2.0"),
    *("gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0", "epl-2.0", "cc0-1.0", "unlicense"),
    *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
    *("bigcode-openrail-m", "openrail", "llama2", "llama3", "other"),
)
"""Licences by the hub's own names; any other is `other` with a name."""

FAMILY_NAMES = {"codegen2": "CodeGen2", "codegen2.5": "CodeGen2.5", "llama": "Llama", "qwen2": "Qwen2"}

TEXT = """\
# {name}

A {family} model for code completion ({parameters:,} parameters) in {precision}, for
[cg2ls](https://pypi.org/project/cg2ls/): it runs on your own machine and fills in code at the cursor.

    cg2ls models pull OWNER/NAME    # this repository's name
    cg2ls models use {name}

| | |
| --- | --- |
| files | {megabytes:.1f} MB, ONNX for ONNX Runtime; model.json lists each with its SHA-256 |
| shape | {n_layer} layers x {n_embd}, {n_head} heads, context {context} tokens, vocabulary {vocab_size} |
| weights | {precision}; keys and values in {kv} |
| trained for | {objectives} |
| languages | {languages} |
| made from | {source} |
| licence | {license} |
{measured}"""

MEASURED = """
Compared with the float32 network of the same checkpoint over {tokens} tokens of held-out code:

| | |
| --- | --- |
| mean KL divergence, nats per token | {kl_mean:.2g} |
| same likeliest token | {top1_agreement:.2%} |
| perplexity over the reference's | {perplexity_ratio:.4f} |
"""


def render_model_card(folder: Path) -> str:
    """Render the card of a model folder from its model.json and report.json.

    Raises:
        ModelFolderError: model.json cannot be read.
    """
    model = ModelDescription.read(folder)
    shape, source = model.architecture, model.source
    made_from = source.checkpoint or "unknown"
    if source.revision:
        made_from += f", revision {source.revision}"
    body = TEXT.format(
        name=model.name,
        family=FAMILY_NAMES.get(model.family, model.family),
        parameters=count_parameters(model),
        precision=model.precision,
        megabytes=sum(entry.bytes for entry in model.files.values()) / 1e6,
        n_layer=shape.n_layer,
        n_embd=shape.n_embd,
        n_head=shape.n_head,
        context=model.context_length,
        vocab_size=shape.vocab_size,
        kv=model.kv_dtype,
        objectives=", ".join(model.infill.objectives).replace("_", " ") or "unknown",
        languages=", ".join(sorted(model.languages)) or "not stated",
        source=made_from + (f", weights SHA-256 `{source.sha256}`" if source.sha256 else ""),
        license=model.license or "not stated",
        measured=_measured(folder),
    )
    return render_metadata(model) + body


def render_metadata(model: ModelDescription) -> str:
    """Render the metadata block (YAML) that a card on the hub begins with."""
    lines = ["---"]
    stated = model.license.lower()
    if stated in HUB_LICENCES:
        lines.append(f"license: {stated}")
    elif stated:
        lines += ["license: other", f"license_name: {json.dumps(model.license)}"]
    lines += ["library_name: cg2ls", "pipeline_tag: text-generation", "language:", "- code"]
    if NAME_ON_HUB.fullmatch(model.source.checkpoint):
        lines += [f"base_model: {json.dumps(model.source.checkpoint)}", "base_model_relation: quantized"]
    tags = ("code", "code-completion", "infill", "onnx", "cg2ls", model.precision, *sorted(model.languages))
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags)), "---", ""]
    return "\n".join(lines) + "\n"


def count_parameters(model: ModelDescription) -> int:
    """Return the number of trainable parameters of a model."""
    shape = model.architecture
    config = CodeGenConfig(
        n_layer=shape.n_layer,
        n_embd=shape.n_embd,
        n_head=shape.n_head,
        n_kv_head=shape.n_kv_head,
        rotary_dim=shape.rotary_dim,
        n_positions=model.context_length,
        vocab_size=shape.vocab_size,
        n_inner=shape.n_inner,
        qkv_groups=shape.qkv_groups,
        family=model.family,
    )
    return config.n_parameters


def _measured(folder: Path) -> str:
    try:
        report: Any = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return MEASURED.format(**report)
    except (OSError, ValueError, KeyError, TypeError):  # no report, or one without these figures
        return ""
