"""A page of headings, paragraphs, tables and figures, as Markdown and as HTML; a lesson's effects as a figure."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cg2_training.lessons.findings import LessonFindings, label_of
from cg2_training.run.progress import use_own_fonts

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;text-align:right}"
    ".text{text-align:left}pre{overflow-x:auto}"
    "svg{max-width:100%;height:auto}"
)


@dataclass(frozen=True)
class Heading:
    """A heading; 1 is the page's title."""

    text: str
    depth: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Command:
    """A shell command."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        rows: rows; the first one has the column heads.
        text_columns: number of text columns; the others are numbers.
    """

    rows: Sequence[Sequence[str]]
    text_columns: int = 1


@dataclass(frozen=True)
class Figure:
    """An SVG file in the page's folder, or in one below it."""

    file: str
    text: str


Block = Heading | Paragraph | Command | Table | Figure


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the page as Markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], folder: Path) -> str:
    """Return the page as one HTML file that contains its figures, which are in or below `folder`."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.depth} {block.text}"
    if isinstance(block, Command):
        return f"    {block.text}"
    if isinstance(block, Figure):
        return f"![{block.text}]({block.file})"
    if isinstance(block, Table):
        head, *rows = [
            [cell.replace("|", "\\|").replace("<eom>", "`<eom>`") for cell in row] for row in block.rows
        ]
        lines = [head, [*["---"] * block.text_columns, *["---:"] * (len(head) - block.text_columns)], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return block.text.replace("<eom>", "`<eom>`")


def _html(block: Block, folder: Path) -> str:
    if isinstance(block, Heading):
        return f"<h{block.depth}>{html.escape(block.text)}</h{block.depth}>"
    if isinstance(block, Command):
        return f"<pre>{html.escape(block.text)}</pre>"
    if isinstance(block, Figure):
        svg = (folder / block.file).read_text(encoding="utf-8")
        drawing = svg[svg.index("<svg") :]
        return f"<figure>{drawing}<figcaption>{html.escape(block.text)}</figcaption></figure>"
    if isinstance(block, Table):
        kinds = [
            ' class="text"' if column < block.text_columns else "" for column in range(len(block.rows[0]))
        ]
        lines = [
            "".join(
                f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True)
            )
            for tag, row in zip(["th", *["td"] * (len(block.rows) - 1)], block.rows, strict=True)
        ]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
    text = re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(block.text))
    return f"<p>{text}</p>"


def draw_effects(one: LessonFindings, picture: Path) -> None:
    """Draw each effect with its interval and its seeds into an SVG, a panel for each unit."""
    with use_own_fonts(picture.parent):
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    measured = [finding for finding in one.findings if finding.effect]
    units = list(dict.fromkeys(finding.unit for finding in measured))
    heights = [sum(finding.unit == unit for finding in measured) for unit in units]
    # Text is stored as text, and the same results give the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lessons"}):
        figure, panels = plt.subplots(
            len(units),
            squeeze=False,
            figsize=(8, 0.7 + sum(0.8 + 0.45 * height for height in heights)),
            height_ratios=heights,
            layout="constrained",
        )
        for unit, axes in zip(units, panels[:, 0], strict=True):
            shown = [finding for finding in measured if finding.unit == unit][::-1]
            for place, finding in enumerate(shown):
                effect = finding.effect
                assert effect
                axes.plot([effect.low, effect.high], [place, place], color="tab:blue", linewidth=3, alpha=0.4)
                axes.plot(effect.by_seed, [place] * len(effect.by_seed), ".", color="0.4", markersize=5)
                axes.plot([effect.mean], [place], "o", color="tab:blue")
            axes.axvline(0, color="black", linewidth=0.8)
            names = [
                f"{finding.comparison.arm} minus {finding.comparison.baseline}\n"
                f"{label_of(finding.comparison.measure)}"
                for finding in shown
            ]
            axes.set_yticks(range(len(shown)), names, fontsize=8)
            axes.set_ylim(-0.6, len(shown) - 0.4)
            axes.set_xlabel(f"{unit}; left of zero, the first arm is better", fontsize=8)
        figure.suptitle(f"Lesson {one.lesson.number}: {one.lesson.title}", fontsize=10)
        figure.savefig(picture, metadata={"Date": None})
        plt.close(figure)
