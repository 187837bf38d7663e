"""The plot of `federate demo-words`, as a PNG file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

Figures = Mapping[str, Any]

_WORDS = 20  # shown
_COLOURS = {"before": "tab:gray", "after": "tab:blue"}
_MOMENTS = {
    "next": "suggested before\nits first letter",
    "letters": "suggested after\nthree letters",
    "kept": "stays\nas typed",
    "mended": "its typo is\ncorrected to it",
}


def plot_demo_words(result: Figures, path: Path) -> None:
    """Plots the found words, what the ninth keyboard does at their moments, and recall on strangers; writes some moments down."""
    figure = plt.figure(figsize=(15, 9), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(5, 4), width_ratios=(4, 4, 3))
    _plot_words(figure.add_subplot(grid[0, 0]), result)
    _plot_moments(figure.add_subplot(grid[0, 1]), result)
    _plot_strangers(figure.add_subplot(grid[0, 2]), result["strangers"])
    _write_examples(figure.add_subplot(grid[1, :]), result["examples"])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _plot_words(axes: Axes, result: Figures) -> None:
    words = result["words"][:_WORDS]
    places = np.arange(len(words))[::-1]  # the first word on top
    axes.barh(places, [word["devices"] for word in words], 0.7, color="tab:green")
    axes.set_yticks(places, [word["word"] for word in words])
    number = len(result["words"])
    title = f"{number:,} new words found" + (f", the first {len(words)}" if number > len(words) else "")
    axes.set(title=title, xlabel=f"keyboards that have it, of {result['devices']}", xlim=(0, result["devices"]))
    axes.axvline(result["k"], color="black", linestyle="--", linewidth=0.8)
    axes.grid(alpha=0.3, axis="x")


def _plot_moments(axes: Axes, result: Figures) -> None:
    places = np.arange(len(_MOMENTS))
    total = max(result["after"]["moments"], 1)
    for shift, (side, colour) in zip((-0.2, 0.2), _COLOURS.items(), strict=True):
        counts = [result[side][key] for key in _MOMENTS]
        drawn = axes.bar(places + shift, [100 * n / total for n in counts], 0.38, color=colour, label=side)
        axes.bar_label(drawn, [str(n) for n in counts], weight="bold")
    axes.set_xticks(places, list(_MOMENTS.values()), fontsize=8)
    axes.set(
        title=f"The ninth keyboard at {total:,} moments\nat which one of the eight wrote a new word",
        ylabel="%",
        ylim=(0, 110),
    )
    axes.legend()
    axes.grid(alpha=0.3, axis="y")


def _plot_strangers(axes: Axes, strangers: Figures) -> None:
    rows = list(strangers["models"].values())
    recalls = 100 * np.array([row["top1"] for row in rows])
    change = strangers["change"]
    axes.bar(np.arange(len(rows)), recalls, 0.6, color=("tab:gray", "tab:cyan", "tab:blue"))
    if change["interval"]:
        low, high = change["interval"]
        bars = [[100 * max(change["difference"] - low, 0)], [100 * max(high - change["difference"], 0)]]
        axes.errorbar(len(rows) - 1, recalls[-1], bars, capsize=4, color="black")
    for place, recall in enumerate(recalls):
        axes.annotate(f"{recall:.1f}%", (place, recall / 2), ha="center", color="white", weight="bold")
    names = [f"{name}\n{row['coverage']:.1%} of words\nin the vocabulary" for name, row in strangers["models"].items()]
    axes.set_xticks(np.arange(len(rows)), names, fontsize=8)
    axes.set(title=f"{strangers['people']} strangers: recall at 1, all words", ylabel="%")
    axes.grid(alpha=0.3, axis="y")


def _write_examples(axes: Axes, rows: Sequence[Figures]) -> None:
    """Writes a table of moments: the suggestions before and after, and what became of the word."""
    axes.set_axis_off()
    axes.set_title("The ninth keyboard: its person never wrote these words")
    heads = [
        "one of the eight wrote",
        "suggests, before",
        "after",
        "after three letters, before",
        "after",
        "a typo becomes, before",
        "after",
    ]
    cells = [
        [
            f"{row['context']} {row['word']}",
            *(", ".join(row[side][key]) for key in ("next", "letters") for side in ("before", "after")),
            *(f"{row['typo']} → {row[side]['mended']}" for side in ("before", "after")),
        ]
        for row in rows
    ]
    if not cells:
        return
    widths = np.array([26, 15, 15, 20, 20, 17, 17], float)
    table = axes.table(
        cells,
        colLabels=heads,
        colWidths=list(widths / widths.sum()),
        loc="center",
        cellLoc="left",
        bbox=Bbox.from_bounds(0, 0, 1, 1),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    for (line, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d0d0d5")
        if line == 0 or column == 0:
            cell.set_text_props(weight="bold")
        elif column in (2, 4, 6) and rows[line - 1]["word"] in re.split(", |→ ", cells[line - 1][column].lower()):
            cell.set_facecolor("#e6f4e6")
