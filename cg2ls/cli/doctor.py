"""`cg2ls doctor`: check whether completion works on this machine, and report how to fix what does not."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.cli.nvidia import Nvidia, find_nvidia
from cg2ls.commandline import aligned
from cg2ls.engine import Engine, Request
from cg2ls.engine.onnx_session import default_threads, import_onnxruntime, usable_cpus
from cg2ls.engine.providers import usable_providers
from cg2ls.errors import Cg2Error
from cg2ls.installation import install_command
from cg2ls.machine import find_package_version, read_cpu
from cg2ls.models.folder import locations
from cg2ls.models.folder.store import Located, locate_model
from cg2ls.privacy import VARIABLES
from cg2ls.workspace.languages import same_language

if TYPE_CHECKING:
    import argparse

    from cg2ls.models.folder.description import ModelDescription

SUPPORTED_PYTHONS = ((3, 11), (3, 15))
"""First supported version, and first unsupported one."""

REQUIRED_PACKAGES = ("lsprotocol", "numpy", "platformdirs", "pygls", "safetensors", "tokenizers")


@dataclass
class DoctorReport:
    """Findings of the doctor.

    Attributes:
        facts: sections of labelled values, in the order they are printed.
        problems: what prevents completion, each with its fix.
        notes: what could be better.
    """

    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("doctor", help="check that completion works here, and report problems")
    parser.add_argument(
        "--model", metavar="NAME", help="name or path of the model to try (default: the one in use)"
    )
    parser.add_argument("--language", metavar="L", help="LSP language id to complete in, e.g. python")
    parser.add_argument(
        "--provider", default="auto", metavar="P", help="execution provider: auto or a name (default: auto)"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="number of threads (default: one per fast core)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report; return 1 if something prevents completion."""
    report = DoctorReport()
    _check_software(report)
    nvidia = _check_machine(report)
    report.facts["folders"] = locations.describe()
    report.facts["privacy"] = _describe_privacy()
    _check_model(report, args)
    if report.facts["model"].get("provider", "").startswith("cpu"):
        report.notes += nvidia.find_problems()
        if nvidia.cards:
            report.notes.append(
                "There is an NVIDIA card, but the model runs on the processor; see provider above."
            )
    print(json.dumps(asdict(report), indent=2) if args.json else _format_report(report, args.language))
    return 1 if report.problems else 0


def _check_software(report: DoctorReport) -> None:
    found = {name: find_package_version(name) for name in REQUIRED_PACKAGES}
    report.facts["software"] = facts = {
        "cg2ls": find_package_version("cg2ls") or "not installed as a package",
        "python": f"{platform.python_version()} ({sys.executable})",
        **{name: version or "missing" for name, version in found.items()},
    }
    if not SUPPORTED_PYTHONS[0] <= sys.version_info[:2] < SUPPORTED_PYTHONS[1]:
        report.problems.append("This Python is not supported; use 3.11 to 3.14.")
    for name in [name for name, version in found.items() if version is None]:
        report.problems.append(f"The package {name} is missing; install it with: {install_command(name)}")
    facts["onnxruntime"] = find_package_version("onnxruntime", "onnxruntime-gpu") or "missing"
    try:
        facts["providers"] = ", ".join(usable_providers(import_onnxruntime().get_available_providers()))
    except Cg2Error as error:
        report.problems.append(str(error))


def _check_machine(report: DoctorReport) -> Nvidia:
    name, features = read_cpu()
    nvidia = find_nvidia()
    report.facts["machine"] = {
        "system": platform.platform(),
        "processor": name,
        "features": ", ".join(features) or "not known",
        "cpus": f"{len(usable_cpus())} usable, {default_threads()} threads by default",
        **nvidia.describe(),
    }
    return nvidia


def _describe_privacy() -> dict[str, str]:
    """Return whether the promises of docs/user/privacy.md hold in this process."""
    is_off = all(os.environ.get(name) == value for name, value in VARIABLES.items())
    return {
        "telemetry": "off, even if your environment sets it otherwise (ORT_DISABLE_TELEMETRY=1 and others)"
        if is_off
        else "NOT OFF",
        "network": "completion connects to nothing and looks up no name",
        "files": "written in the folders above and where you say, nowhere else",
        "shown by": "tests/test_native_traffic.py, under strace (docs/user/privacy.md)",
    }


def _check_model(report: DoctorReport, args: argparse.Namespace) -> None:
    report.facts["model"] = facts = {}
    try:
        located = locate_model(flag=args.model, language=args.language)
        facts["model"] = f"{located.name} ({located.reason})"
        facts["folder"] = str(located.folder)
        model = _try_model(facts, located, args)
        if problem := _find_language_problem(located, model, args.language):
            report.problems.append(problem)
    except Cg2Error as error:
        if str(error) not in report.problems:
            report.problems.append(str(error))


def _find_language_problem(located: Located, model: ModelDescription, language: str | None) -> str | None:
    """Return why a model that runs shows nothing in a language; None if it does."""
    if (
        not language
        or not model.languages
        or any(same_language(language, known) for known in model.languages)
    ):
        return None
    return (
        f"{located.name} was trained on {', '.join(model.languages)} and stays silent in {language}; choose another"
        f" model for it with `cg2ls models use NAME --language {language}`, or set the option `unknownLanguages`."
    )


def _try_model(facts: dict[str, str], located: Located, args: argparse.Namespace) -> ModelDescription:
    began = perf_counter()
    with Engine.open(located.folder, provider=args.provider, threads=args.threads) as engine:
        model = engine.model
        opened_ms = 1e3 * (perf_counter() - began)
        facts["precision"] = f"{model.precision}, context {model.context_length} tokens"
        facts["languages"] = ", ".join(model.languages) or "not stated"
        facts["files"] = f"whole and unchanged ({len(model.files)} files)"
        facts["provider"] = f"{engine.provider} ({engine.provider_reason}), {engine.threads} threads"
        facts["opened"] = f"in {opened_ms:.0f} ms, verified"
        prompt = engine.tokenizer.encode("def add(a, b):\n    return a")
        for _ in engine.complete(Request(prompt=prompt, max_tokens=1)):
            pass
        facts["memory"] = str(engine.memory)
        costs = f"a call of 8 tokens costs {engine.estimate_call_cost(8):.1f} of one"
        facts["drafts"] = f"on, {costs}" if engine.drafts else "off, as they would change answers"
        facts["first token"] = f"after {engine.last.prefill_ms:.1f} ms ({len(prompt)} tokens read)"
        facts["results"] = str(engine.measure_divergence(prompt * 3))
    return model


def _format_report(report: DoctorReport, language: str | None) -> str:
    lines: list[str] = []
    for section, facts in report.facts.items():
        lines.append(section)
        lines.append(aligned([("", label, value) for label, value in facts.items()]) if facts else "")
    lines += [f"note: {note}" for note in report.notes]
    if report.problems:
        lines += ["", "Completion does not work here:", *(f"  - {problem}" for problem in report.problems)]
    else:
        lines += ["", f"Completion works here in {language}." if language else "Completion works here."]
    return "\n".join(lines)
