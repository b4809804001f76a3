"""`cg2-quantize CHECKPOINT -o FOLDER`, and `cg2-quantize dequantize FOLDER -o CHECKPOINT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2_quantize.commands import make_parser
from cg2_quantize.errors import QuantizeError
from cg2ls.commandline import REFERENCE_PYTHON, aligned
from cg2ls.jsontext import json_text
from cg2ls.models.codegen2.config import CODEGEN2

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from cg2_quantize.convert import ConversionReport
    from cg2ls.commandline import Parser


FORMATS = ("fp32", "fp16", "bf16", "int8", "int6", "int4", "nf4")
TARGETS = ("cpu", "cuda", "directml", "coreml", "openvino")
PROOFS = ("none", "quick", "full")
"""As in `cg2_quantize.formats` and `cg2_quantize.verification`, which are imported only for a conversion."""

EXAMPLE = """\
example:
  cg2-quantize checkpoints/my-model -o models/my-model --format int8
      reads checkpoints/my-model (config.json, tokenizer.json, *.safetensors or *.bin)
      and writes models/my-model (model.onnx, model.onnx.data, tokenizer.json, model.json, report.*)
  cg2-quantize Salesforce/codegen2-1B_P -o models/codegen2-1b --format auto
      downloads the checkpoint first, once, and uses the best format that fits this machine

formats:
  int8   fastest on processors with VNNI, about 1 byte per weight (default)
  int6   queries, keys and values in 8 bits, the other matrices in 4
  int4   smallest, the embedding and the head in 8 bits
  nf4    bitsandbytes' 4-bit format, slow on processors
  fp32   the checkpoint's own values, 4 bytes per weight
  fp16, bf16   for NVIDIA cards, 2 bytes per weight

other commands:
  cg2-quantize compare models/a models/b
  cg2-quantize dequantize models/my-model -o checkpoints/again
  cg2-quantize frontier checkpoints/my-model
  cg2-quantize sensitivity checkpoints/my-model
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)

    from cg2_quantize.checkpoint.sources import check_context, locate_checkpoint
    from cg2_quantize.convert import ConversionOptions, convert
    from cg2_quantize.planning.machine import check_output
    from cg2ls.models.codegen2.infill_tokens import StatedLayout
    from cg2ls.models.folder.description import DESCRIPTION

    stated = StatedLayout.parse(options.infill) if options.infill else None
    check_context(options.context)
    check_output(options.output, force=options.force, proof=DESCRIPTION)
    if options.format == "auto" and options.target not in (None, "cpu", "cuda"):
        raise QuantizeError(
            f"--format auto cannot measure the memory of {options.target}; choose a format instead."
        )
    checkpoint = locate_checkpoint(options.checkpoint, revision=options.revision, on_notice=_say)
    if options.draft is not None:
        from cg2_quantize.verification.draft_pair import check_draft

        check_draft(
            options.draft, checkpoint, gpt2=options.tokenizer, infill=stated, ignored=options.ignore_key
        )
    chosen = _choose_planned(options, checkpoint) if options.format == "auto" else _choose_asked(options)
    wanted = ConversionOptions(
        **chosen,
        eight_bits=_read_eight_bits(options.eight_bits) if options.eight_bits else (),
        name=options.name,
        qkv_groups=options.qkv_groups,
        license=options.license,
        force=options.force,
        genai=options.genai,
        proof=options.proof,
        optimum=options.reference,
        allow_loss=options.allow_loss,
        untrained=options.untrained,
        ignored=options.ignore_key,
        gpt2=options.tokenizer,
        infill=stated,
    )
    if options.draft is not None and wanted.select_format().target == "cuda":
        raise QuantizeError("--draft measures a pair on the processor; leave it out for CUDA.")
    with _show_progress(options, checkpoint) as on_progress:
        report = convert(checkpoint, options.output, wanted, on_progress=on_progress)
    print(json_text(report.to_dict()) if options.json else format_report(report))
    if report.notice:
        _say(report.notice)
    if options.draft is not None:
        _pair_with_draft(options.output, options.draft)
    if options.use:
        _use(options.output)
    return 0


def format_report(report: ConversionReport) -> str:
    """Format a heading, one line of figures, and the path of the report."""
    cells = {
        "model": report.name,
        "format": report.precision,
        "parameters": str(report.parameters),
        "bytes": str(report.bytes),
        "bits/weight": f"{report.bits_per_weight:.2f}",
        "seconds": f"{report.seconds:.1f}",
    }
    proof = report.proof
    if proof is not None and proof.kl_mean is not None and proof.top1_agreement is not None:
        cells |= {"mean KL": f"{proof.kl_mean:.2g}", "top-1": f"{proof.top1_agreement:.2%}"}
    lines = aligned((tuple(cells), tuple(cells.values())), right=range(1, len(cells)))
    return lines if proof is None else f"{lines}\nThe report: {report.folder / 'report.html'}"


def _read_eight_bits(path: Path) -> tuple[str, ...]:
    from cg2_quantize.verification.sensitivity import read_mixed_plan

    return read_mixed_plan(path)


def _choose_asked(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "precision": options.format,
        "target": options.target,
        "portable": options.portable,
        "kv": "int8" if options.kv == "int8" else None,
        "context": options.context,
        "calibrated": options.calibrate,
    }


def _choose_planned(options: argparse.Namespace, checkpoint: Path) -> dict[str, Any]:
    """Return the plan's choice; print the plan itself on stderr."""
    from dataclasses import replace

    from cg2_quantize.checkpoint.sources import choose_context, open_checkpoint
    from cg2_quantize.planning.machine import inspect_machine
    from cg2_quantize.planning.plan import PlanRequest, make_plan

    config = open_checkpoint(checkpoint, qkv_groups=options.qkv_groups, ignored=options.ignore_key).config
    config = replace(config, n_positions=choose_context(config, options.context))
    request = PlanRequest(options.target, options.portable, options.kv, options.calibrate, options.genai)
    found = make_plan(config, inspect_machine(), request)
    _say(str(found))
    return {
        "precision": found.chosen.name,
        "target": found.chosen.target,
        "portable": found.chosen.portable,
        "kv": "int8" if found.chosen.kv == "int8" else None,
        "context": found.context,
        "calibrated": found.chosen.calibrated,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _show_progress(options: argparse.Namespace, checkpoint: Path) -> Any:
    """Return a context with a progress bar over the weights' bytes; its value takes the bytes of each step."""
    from contextlib import contextmanager

    from tqdm import tqdm

    from cg2_quantize.checkpoint.sources import open_checkpoint

    @contextmanager
    def shown() -> Iterator[Any]:
        opened = open_checkpoint(checkpoint, qkv_groups=options.qkv_groups, ignored=options.ignore_key)
        total = 4 * opened.config.n_parameters
        hidden = options.json or not sys.stderr.isatty()
        with tqdm(total=total, unit="B", unit_scale=True, desc="converting", disable=hidden) as bar:
            yield bar.update

    return shown()


def _pair_with_draft(folder: Path, draft: Path) -> None:
    """Measure the pair, and store it if it pays; say what was found."""
    from cg2_quantize.verification.draft_pair import measure_pair
    from cg2ls.models.folder.draft_pair import MIN_PAIR_SPEEDUP

    pair = measure_pair(folder, draft)
    found = f"{draft} proposes {pair.acceptance:.0%} of the tokens and makes answers {pair.speedup:.2f} x as fast here"
    if pair.speedup < MIN_PAIR_SPEEDUP:
        _say(f"{found}, less than {MIN_PAIR_SPEEDUP:g} x; the pair is not used.")
        return
    pair.write(folder)
    _say(f"{found}; cg2ls uses the pair on this machine.")


def _use(folder: Path) -> None:
    """Add the model to the server's models and choose it, as `cg2ls models add` and `cg2ls models use` do."""
    from cg2ls.models.folder.choice import note_lasting
    from cg2ls.models.folder.locations import choices_file
    from cg2ls.models.folder.store import ModelStore

    added = ModelStore().add(folder)
    note_lasting(choices_file(), added.name)
    print(f"{added.name} is now used for every language for which no other model is chosen.", file=sys.stderr)


def _parser() -> Parser:
    options = make_parser(
        "cg2-quantize",
        "Convert a checkpoint of CodeGen2 or of another infill model to a model folder that cg2ls runs.",
        EXAMPLE,
    )
    add = options.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="a folder in the Hugging Face layout, or a name on the hub")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="the model folder to make")
    add("--format", choices=("auto", *FORMATS), default="int8", help="precision (default: int8)")
    add(
        "--for",
        dest="target",
        choices=TARGETS,
        help="where the model runs (default: the format's usual target)",
    )
    add("--portable", action="store_true", help="standard operators only, for other runtimes")
    add(
        "--kv",
        choices=("float", "int8"),
        help="key and value cache (default: float; with auto: the best that fits)",
    )
    add("--genai", action="store_true", help="add the files that onnxruntime-genai needs to run the folder")
    add(
        "--calibrate",
        action="store_true",
        help="int4 and int6: compensate errors of rounding over a small code set (slower, much closer)",
    )
    add(
        "--eight-bits",
        type=Path,
        metavar="FILE",
        help="int6: the matrices that have eight bits, a plan of `cg2-quantize sensitivity -o FILE`",
    )
    add(
        "--context",
        type=int,
        metavar="N",
        help="maximum tokens of prompt and answer (default: all of CodeGen2's, 2048 of others)",
    )
    add("--proof", choices=PROOFS, default="quick", help="comparison with the checkpoint (default: quick)")
    add(
        "--reference",
        type=Path,
        nargs="?",
        const=REFERENCE_PYTHON,
        metavar="PYTHON",
        help="compare with optimum's traced export too, made by this Python with cg2ls[reference]"
        " (default: the one of `make reference`)",
    )
    add(
        "--allow-loss",
        action="store_true",
        help="keep a conversion that lost more than its format's limits allow",
    )
    add(
        "--untrained",
        action="store_true",
        help="convert untrained weights, such as random ones",
    )
    add(
        "--ignore-key",
        action="append",
        default=[],
        metavar="KEY",
        help="accept an unknown key of config.json; you vouch that it does not change the network",
    )
    add(
        "--draft",
        type=Path,
        metavar="FOLDER",
        help="a smaller model folder with the same tokenizer: measure what it gains by drafting tokens, and use it if"
        " that is at least 1.15 x",
    )
    add("--use", action="store_true", help="add the model to this user's models and let the server use it")
    add("--revision", metavar="COMMIT", help="revision of a checkpoint on the hub (default: the newest)")
    add("--tokenizer", type=Path, metavar="FOLDER", help="folder with GPT-2's vocab.json and merges.txt")
    add(
        "--infill",
        metavar="LAYOUT",
        help="order and tokens of infill prompts, where the tokenizer does not say them: psm, spm, none, or such as"
        " 'spm:<fim_prefix>,<fim_suffix>,<fim_middle>'",
    )
    add("--name", help="the model's name (default: cg2ls.json's, else the checkpoint folder's)")
    add(
        "--qkv-groups",
        type=int,
        metavar="N",
        help="groups in the fused attention weights: 8 for the published 1B and 3.7B, 4 for 7B and 16B"
        " (default: what config.json implies)",
    )
    add("--license", metavar="SPDX", help="licence of the weights (default: cg2ls.json's)")
    add("--force", action="store_true", help="replace an existing model folder")
    add("--json", action="store_true", help="print the report as one JSON object")
    return options


DEQUANTIZE_EXAMPLE = """\
example:
  cg2-quantize dequantize models/my-model -o checkpoints/again
      writes the exact values the model computes with as a float32 checkpoint that transformers
      loads: to train it further, convert it to another format, or compare other runtimes with it
"""


def run_dequantize(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser(
        "cg2-quantize dequantize", "Convert a model folder back to a checkpoint.", DEQUANTIZE_EXAMPLE
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="CHECKPOINT", help="the checkpoint to make"
    )
    parser.add_argument(
        "--shuffle",
        action="store_true",
        help="change the order of channels: the same function, for comparing formats on weights that were rounded",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing checkpoint")
    options = parser.parse_args(arguments)

    from cg2_quantize.checkpoint.dequantize import dequantize

    config = dequantize(options.folder, options.output, force=options.force, shuffle=options.shuffle)
    layout = f", {config.qkv_groups} qkv groups" if config.family == CODEGEN2 else ""
    print(f"{options.output}: {config.n_parameters} parameters in float32{layout}")
    return 0
