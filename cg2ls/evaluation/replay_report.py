"""Tables of a replay's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cg2ls.commandline import aligned

SHARES = {
    "exact_line": "exact line",
    "edit_similarity": "similarity",
    "saved_characters": "saved",
    "shown": "shown",
    "shown_wrong": "shown wrong",
    "wrong_of_shown": "wrong of shown",
    "whole_of_shown": "right to the end of shown",
}
"""Shares with their titles in tables."""

PER_GROUP = ("exact_line", "edit_similarity", "saved_characters", "shown", "shown_wrong")
"""Shares that are printed by kind of position and by repository too."""

MAX_NAME_CHARS = 26
"""Columns of a name, so that a table fits a terminal of 80."""

Json = Mapping[str, Any]


def format_replay(report: Json) -> str:
    """Format a heading, latencies, and shares of all, by kind and by repository."""
    parts = [_format_heading(report)]
    if "keys" in report:
        parts.append(_format_latency(report))
    if "repositories" in report:
        parts.append(_format_shares(report))
    if "rules" in report:
        parts.append(_format_rules(report["rules"]))
    if "soak" in report:
        parts.append(_format_soak(report["soak"]))
    if "race" in report:
        parts.append(_format_race(report["race"]))
    return "\n\n".join(parts)


def _format_heading(report: Json) -> str:
    model, machine = report["model"], report["machine"]
    return (
        f"{model['name']}: {model['precision']}, context {model['context_length']}\n"
        f"{machine['cpu']}, {machine['threads']} threads, load {machine['load_before']}; {report['files']} files"
    )


def _format_latency(report: Json) -> str:
    latency, read = report["latency_ms"], report["reread_tokens"]
    rows = [[f"{report['keys']} keys", "p50", "p95", "p99"]]
    rows += [
        [name, *(f"{latency[key][at]:.1f}" for at in ("p50", "p95", "p99"))]
        for name, key in (("key to first token, ms", "first_token"), ("key to line, ms", "line"))
    ]
    rows.append(["tokens read", f"{read['p50']:.0f}", f"{read['p95']:.0f}", ""])
    return (
        aligned(rows, right=(1, 2, 3)) + f"\n{report['before_next_key']:.1%} answered before the next key,"
        f" {1 - report['asked_engine']:.1%} without the model\nsilent at {report['silent_keys']} keys"
    )


def _format_shares(report: Json) -> str:
    rows = [[f"{report['positions']} places", "share", "95 % of draws"]]
    rows += [
        [title, f"{report[name]:.3f}", "{:.3f} to {:.3f}".format(*report["spread"][name])]
        for name, title in SHARES.items()
        if name in report
    ]
    names = [name for name in PER_GROUP if name in report]
    groups = [["by kind", *(SHARES[name] for name in names)]]
    groups += [[shorten(name), *_format_row(shares, names)] for name, shares in report["kinds"].items()]
    groups.append(["by repository", *("" for _ in names)])
    groups += [
        [shorten(name), *_format_row(shares, names)] for name, shares in report["repositories"].items()
    ]
    return f"{aligned(rows, right=(1, 2))}\n\n{aligned(groups, right=range(1, len(names) + 1))}"


def shorten(name: str) -> str:
    """Return a name of at most MAX_NAME_CHARS; of a longer one the middle is left out."""
    if len(name) <= MAX_NAME_CHARS:
        return name
    end = (MAX_NAME_CHARS - 1) // 2
    return f"{name[: MAX_NAME_CHARS - 1 - end]}…{name[-end:]}"


def _format_rules(rules: Json) -> str:
    rows = [["rule", "changed", "exact", "off", "wrong", "off", "95 % of diff."]]
    rows += [
        [
            shorten(name),
            f"{found['changed']:.3f}",
            *(
                f"{found[share][state]:.3f}"
                for share in ("exact_line", "shown_wrong")
                for state in ("on", "off")
            ),
            "{:+.3f} {:+.3f}".format(*found["shown_wrong"]["difference"]),
        ]
        for name, found in rules.items()
    ]
    meaning = "exact line and shown wrong, with the rule and with it off; diff.: of the latter"
    return f"{aligned(rows, right=range(1, 7))}\n{meaning}"


def _format_soak(soak: Json) -> str:
    rows = [[f"{soak['keys']} keys, {soak['files']} files", "1st quarter", "2nd", "3rd", "4th", "4th / 2nd"]]
    for name, key, ratio in (
        ("most resident memory, MB", "resident_mb", "memory_ratio"),
        ("median ms to the model's line", "line_ms", "latency_ratio"),
    ):
        rows.append([name, *(f"{value:.1f}" for value in soak[key]), f"{soak[ratio]:.3f}"])
    return aligned(rows, right=range(1, 6))


def _format_race(race: Json) -> str:
    prompt, answer = race["prompt_tokens"], race["answer_tokens"]
    rows = [[f"{race['keys']} keys, {race['model']}", "p50 ms", "p95", "p99", "sum"]]
    rows += [
        [name, *(f"{found[at]:.1f}" for at in ("p50", "p95", "p99")), f"{race['total_ms'][name]:.0f}"]
        for name, found in race["line_ms"].items()
    ]
    ratios = "\n".join(
        f"{name.replace('_', ' ')}: {ratio:.2f} times as fast{of}"
        for key, of in (("ratios", ""), ("median_ratios", " by medians"))
        for name, ratio in race[key].items()
    )
    return (
        f"prompts of {prompt['p50']:.0f} tokens (p95 {prompt['p95']:.0f}),"
        f" answers of {answer['p50']:.0f} (p95 {answer['p95']:.0f})\n{aligned(rows, right=range(1, 5))}\n{ratios}"
    )


def _format_row(shares: Json, names: list[str]) -> list[str]:
    return [f"{shares[name]:.3f}" if name in shares else "" for name in names]


def format_chaos(found: Json) -> str:
    """Format the counts of `ChaosResult.to_json` as tables."""
    compared = str(found["compared"]) if found["compared"] else "none: the server does not report them"
    rows = [
        [f"{found['keys']} keys, {found['documents']} documents, seed {found['seed']}", ""],
        ["requests", str(found["requests"])],
        ["answered", str(found["answered"])],
        *([f"  with error {code}", str(times)] for code, times in found["errors"].items()),
        ["answers that fit the text", str(found["fitted"] - len(found["refused"]))],
        ["texts compared", compared],
        ["texts diverged", str(len(found["diverged"]))],
        *([f"silent: {reason}", str(times)] for reason, times in found["silenced"].items()),
        *([name, str(times)] for name, times in found["events"].items()),
    ]
    parts = [aligned(rows, right=(1,))]
    if found["resident_mb"]:
        quarters = ("1st quarter", "2nd", "3rd", "4th")[: len(found["resident_mb"])]
        table = [
            ["most resident memory, MB", *quarters],
            ["", *(f"{each:.1f}" for each in found["resident_mb"])],
        ]
        parts.append(aligned(table, right=range(1, 5)))
    return "\n\n".join(parts)


def format_visits(report: Json) -> str:
    """Format the report of `replay_visits` as a table."""
    found = report["visits"]
    rows = [["first answer of a visit, ms", "reading ahead", "visits", "p50", "p95", "p99"]]
    for name, run in found.items():
        for kind, cuts in run["first_ms"].items():
            count = str(run["visits"]) if kind == "all" else ""
            rows.append([kind, name, count, *(f"{cuts[at]:.0f}" for at in ("p50", "p95", "p99"))])
        later = run["later_ms"]
        rows.append(["later keys", name, "", *(f"{later[at]:.0f}" for at in ("p50", "p95", "p99"))])
    costs = [
        f"processor seconds per minute with reading ahead {name}: {run['processor_s_per_minute']}"
        for name, run in found.items()
        if run["processor_s_per_minute"] is not None
    ]
    ratios = [
        f"reading ahead {name}: {ratio['first']:.2f} times as fast at new places, {ratio['later']:.2f} at later keys"
        for name, ratio in report["ratios"].items()
    ]
    return "\n".join([aligned(rows, right=range(2, 6)), *costs, *ratios])
