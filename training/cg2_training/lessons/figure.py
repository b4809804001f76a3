"""A lesson's effects as a picture."""

from __future__ import annotations

from pathlib import Path

from cg2_training.lessons.findings import LessonFindings, label_of
from cg2_training.run.progress import use_own_fonts


def draw_effects(one: LessonFindings, picture: Path) -> None:
    """Draw each effect with its interval and its seeds into an SVG, a panel for each unit."""
    with use_own_fonts(picture.parent):
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    measured = [finding for finding in one.findings if finding.effect]
    units = list(dict.fromkeys(finding.unit for finding in measured))
    heights = [sum(finding.unit == unit for finding in measured) for unit in units]
    # Text stays text, and the same results give the same bytes.
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
        figure.suptitle(one.lesson.heading, fontsize=10)
        figure.savefig(picture, metadata={"Date": None})
        plt.close(figure)
