"""Plots of results, as PNG files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from model.device.metrics import Scores

Figures = Mapping[str, Any]  # results by name, as commands print them in JSON


def plot_simulation(rounds: Sequence[Mapping[str, float]], before: Scores, path: Path) -> None:
    """Plots the training loss of each round, and validation users' recall after the rounds in which it was measured."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot([r["round"] for r in rounds], [r["loss"] for r in rounds], linewidth=1)
    left.set(xlabel="round", ylabel="nats per word", title="Loss on the clients of the round")
    checked = [r for r in rounds if "top1" in r]
    for name, label, start in (("top1", "recall at 1", before.top1), ("top3", "recall at 3", before.top3)):
        right.plot(
            [0, *(r["round"] for r in checked)], [100 * start, *(100 * r[name] for r in checked)], ".-", label=label
        )
    right.set(xlabel="round", ylabel="%", title="Recall on validation users", ylim=(0, None))
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no round 2.5
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_search(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Plots recall at 1 on validation users against the words trained on, a curve for each run of a search."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for number, (name, rounds) in enumerate(curves.items()):
        words = np.cumsum([r["words"] for r in rounds])
        checked = [(w, 100 * r["top1"]) for w, r in zip(words, rounds, strict=True) if "top1" in r]
        style = ".-" if number < 10 else ".--"  # there are ten colours
        axes.plot(*zip(*checked, strict=True), style, label=name)
    axes.set(
        xlabel="words trained on", ylabel="%", title="Recall at 1 on validation users", xlim=(0, None), ylim=(0, None)
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_privacy(rows: Sequence[Figures], path: Path) -> None:
    """Plots recall at 1 on validation users against epsilon: a mark for each run, and a line through the means over seeds.

    A row has `top1`, `top1_before`, and `epsilon`, which is None for a run without noise.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    by_epsilon: dict[float | None, list[float]] = {}
    for row in rows:
        by_epsilon.setdefault(row["epsilon"], []).append(100 * row["top1"])
    spent = sorted(epsilon for epsilon in by_epsilon if epsilon is not None)
    points = [*spent, *([None] if None in by_epsilon else [])]
    for place, epsilon in enumerate(points):
        axes.plot([place] * len(by_epsilon[epsilon]), by_epsilon[epsilon], "_", color="tab:gray", markersize=14)
    axes.plot(range(len(points)), [np.mean(by_epsilon[epsilon]) for epsilon in points], "o-", label="mean over seeds")
    start = 100 * float(np.mean([row["top1_before"] for row in rows]))
    axes.axhline(start, color="black", linestyle="--", linewidth=0.8, label="before")
    axes.set_xticks(range(len(points)), ["no noise" if epsilon is None else f"{epsilon:.3g}" for epsilon in points])
    axes.set(xlabel="epsilon", ylabel="%", title="Recall at 1 on validation users")
    axes.grid(alpha=0.3, axis="y")
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_differences(rows: Sequence[Figures], yardstick: str, path: Path) -> None:
    """Plots each run's difference from the yardstick's recall at 1, with 95% intervals over people, and a mark for each seed."""
    figure, axes = plt.subplots(figsize=(7, 0.6 * len(rows) + 1.6), layout="constrained")
    places = np.arange(len(rows))[::-1]  # the first row on top
    axes.axvline(0, color="black", linewidth=0.8)
    for place, row in zip(places, rows, strict=True):
        bars = _error_bars([row], "difference")
        axes.errorbar(100 * row["difference"], place, xerr=bars, fmt="o", color="tab:blue", capsize=3)
        axes.plot(100 * np.array(row["by_seed"]), [place] * len(row["by_seed"]), "|", color="tab:gray", markersize=12)
    axes.set(
        xlabel="percentage points",
        title=f"Recall at 1 on validation users, minus that of {yardstick}",
        ylim=(-0.6, len(rows) - 0.4),
    )
    axes.set_yticks(places, [f"{row['run']}\n{row['bytes_sent'] / 1e6:.2f} MB" for row in rows])
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_curve(points: Sequence[Figures], path: Path) -> None:
    """Plots the mean relative gain in recall at 1 against words typed, with 95% intervals over people.

    A point has `words`, `relative_top1_gain`, `users`, and `ci`, a pair or None.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    words, gains = [p["words"] for p in points], [100 * p["relative_top1_gain"] for p in points]
    axes.axhline(0, color="black", linewidth=0.8)
    axes.plot(words, gains, ".-")
    intervals = [(p["words"], *p["ci"]) for p in points if p["ci"]]
    lows, highs = [100 * low for _, low, _ in intervals], [100 * high for *_, high in intervals]
    axes.fill_between([w for w, *_ in intervals], lows, highs, alpha=0.2)
    for point, gain in zip(points, gains, strict=True):
        place = point["words"], gain
        axes.annotate(f"{point['users']} people", place, (0, 6), textcoords="offset points", fontsize=7)
    axes.set(
        xscale="log", xlabel="words typed", ylabel="gain in recall at 1, %", title="Gain from learning on the device"
    )
    axes.set_xticks(words, [f"{w:,}" for w in words])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_demo(result: Figures, path: Path) -> None:
    """Plots the result of `federate demo`: recall by round, recall of each person in each stage, and suggestions in words."""
    figure = plt.figure(figsize=(13, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(5, 3), width_ratios=(5, 6))
    _plot_strangers(figure.add_subplot(grid[0, 0]), result["strangers"])
    axes = figure.add_subplot(grid[0, 1])
    people, stages = np.arange(len(result["users"])), result["stages"]
    colours = ("tab:gray", "tab:cyan", "tab:blue", "tab:green")
    for i, ((stage, rows), colour) in enumerate(zip(stages.items(), colours, strict=True)):
        recalls = 100 * np.array([row["top1"] for row in rows])
        bars = _error_bars([row | {"top1_ci": row["interval"]} for row in rows], "top1")
        drawn = axes.bar(people + (i - 1.5) * 0.21, recalls, 0.19, yerr=bars, label=stage, color=colour)
        axes.bar_label(drawn, fmt="%.1f", label_type="center", color="white", fontsize=9, weight="bold")
    names = [
        f"person {n}: {100 * change['difference']:+.1f} points\n({words:,} newer words)"
        for n, (change, words) in enumerate(zip(result["change"]["people"], result["words_measured"], strict=True), 1)
    ]
    axes.set_xticks(people, names)
    axes.set(ylabel="%", title="Three people: recall at 1, with 95% intervals", ylim=(0, None))
    axes.legend(fontsize="small", ncols=2, loc="lower center")
    axes.grid(alpha=0.3, axis="y")
    _write_suggestions(figure.add_subplot(grid[1, :]), result["suggestions"])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _plot_strangers(axes: Axes, strangers: Figures) -> None:
    """Plots recall at 1 of the global model by round, with the 95% interval of its change since the start."""
    rows = strangers["by_round"]
    numbers, recalls = [row["round"] for row in rows], 100 * np.array([row["top1"] for row in rows])
    bars = _error_bars([row | {"difference_ci": row["interval"]} for row in rows], "difference")
    axes.fill_between(numbers, recalls - bars[0], recalls + bars[1], alpha=0.2, color="tab:blue")
    axes.plot(numbers, recalls, "o-", color="tab:blue", linewidth=2.5)
    axes.axhline(recalls[0], color="tab:gray", linestyle="--")
    for place in (0, -1):
        position = (0, 10) if place else (4, -16)
        axes.annotate(f"{recalls[place]:.1f}%", (numbers[place], recalls[place]), position, textcoords="offset points",
                      fontsize=13, weight="bold", ha="right" if place else "left")  # fmt: skip
    axes.margins(y=0.15)
    axes.set(
        xlabel="federated rounds (band: 95% interval of the change)",
        ylabel="%",
        title=f"{strangers['people']} strangers, who took no part: recall at 1",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def _write_suggestions(axes: Axes, rows: Sequence[Figures]) -> None:
    """Writes a table of suggestions before the rounds, after them, and of each keyboard after learning."""
    people = range(1, len(rows[0]["keyboards"]) + 1)
    heads = ["", "at the start", "after the rounds", *(f"person {n}, after learning" for n in people)]
    cells = [
        [f"{row['start']} …", *(",  ".join(words) for words in (row["before"], row["after"], *row["keyboards"]))]
        for row in rows
    ]
    axes.set_axis_off()
    axes.set_title("What the keyboards suggest next")
    table = axes.table(cells, colLabels=heads, loc="center", cellLoc="left", bbox=Bbox.from_bounds(0, 0, 1, 1))
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    for (line, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d0d0d5")
        if line == 0 or column == 0:
            cell.set_text_props(weight="bold")
        elif column > 1 and cells[line - 1][column] != cells[line - 1][1]:
            cell.set_facecolor("#e6f4e6")


def plot_demo_devices(result: Figures, path: Path) -> None:
    """Plots recall at 1 of each keyboard's person, before and after the rounds, and of each round, from sums."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained", width_ratios=(3, 2))
    rows = [*result["people"], result["all"]]
    names = [*(f"keyboard {n}" for n in range(1, len(rows))), "all"]
    places = np.arange(len(rows))[::-1]
    for model, shift, colour in (("before", 0.2, "tab:gray"), ("after", -0.2, "tab:blue")):
        recalls = 100 * np.array([row[model]["top1"] for row in rows])
        bars = None
        if model == "after":
            intervals = [row | {"difference_ci": row["interval"]} for row in rows]
            bars = _error_bars(intervals, "difference")
        label = f"{model} the rounds" + (" (with the 95% interval of the change)" if model == "after" else "")
        left.barh(places + shift, recalls, 0.38, xerr=bars, capsize=2, color=colour, label=label)
    for place, row in zip(places, rows, strict=True):
        high = row["interval"][1] - row["difference"] if row["interval"] else 0
        end = 100 * (row["after"]["top1"] + high)
        left.annotate(f"{100 * row['difference']:+.1f}", (end, place - 0.2), (5, 0), textcoords="offset points",
                      va="center", weight="bold")  # fmt: skip
    left.set_yticks(places, [f"{name} ({row['words']:,})" for name, row in zip(names, rows, strict=True)])
    left.axhline(0.5, color="black", linewidth=0.5)
    left.margins(x=0.12)
    left.set(xlabel="%", title="Recall at 1 on each person's newer messages (words)")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    numbers = np.arange(1, len(result["rounds"]) + 1)
    for key, label, style in (
        ("top1", "global model at the start of the round", "o-"),
        ("top1_after", "after training on the device", "o--"),
    ):
        right.plot(numbers, [100 * r[key] for r in result["rounds"]], style, label=label)
    right.set(xlabel="round", ylabel="%", title="Recall at 1 on held-out words, from sums", xticks=numbers)
    right.legend(fontsize="small")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_baselines(models: Mapping[str, Figures], path: Path) -> None:
    """Plots recall at 1 and at 3 of models, given by title, with their 95% intervals."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 0.45 * len(models) + 1), layout="constrained", sharey=True)
    places = np.arange(len(models))[::-1]  # the first row on top
    for axes, key, title in ((panels[0], "top1", "Recall at 1"), (panels[1], "top3", "Recall at 3")):
        recalls = 100 * np.array([m[key] for m in models.values()])
        axes.barh(places, recalls, 0.6, xerr=_error_bars(models.values(), key), capsize=3, color="tab:blue", alpha=0.7)
        axes.set(xlabel="%", title=title)
        axes.set_yticks(places, models)
        axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_bands(panels: Sequence[tuple[str, Sequence[str], Mapping[str, Sequence[Figures]]]], path: Path) -> None:
    """Plots recall at 1 by band of words, for each panel.

    A panel is the property that defines the bands, the bands' names, and by model title the figures of each band.
    """
    figure, grid = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), layout="constrained", squeeze=False)
    for axes, (property_name, bands, models) in zip(grid[0], panels, strict=True):
        places = np.arange(len(bands))
        for i, (title, figures) in enumerate(models.items()):
            recalls = [100 * f["top1"] for f in figures]
            shifted = places + (i - (len(models) - 1) / 2) * 0.1
            axes.errorbar(shifted, recalls, _error_bars(figures, "top1"), fmt="o-", capsize=3, label=title)
        axes.set(xlabel=property_name, ylabel="%", title="Recall at 1", ylim=(0, None))
        axes.set_xticks(places, bands)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_growth(panels: Sequence[Figures], path: Path) -> None:
    """Plots cost against size, measured and in theory, a panel for each operation (`federation.benchmarks.growth.Panel`)."""
    columns = 2 if len(panels) < 5 else 3
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(5 * columns, 3.6 * lines), layout="constrained", squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        sizes, seconds = panel["sizes"], {name: np.array(values) for name, values in panel["seconds"].items()}
        spread = [seconds["median"] - seconds["lowest"], seconds["highest"] - seconds["median"]]
        axes.plot(sizes, panel["theory"], color="black", linewidth=0.8, label=panel["law"])
        axes.errorbar(sizes, seconds["median"], spread, fmt="o", capsize=3, label="measured")
        axes.set(xlabel=panel["size"], ylabel="seconds", title=panel["title"], xlim=(0, None), ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(alpha=0.3)
        axes.legend()
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_fleet(panels: Sequence[Figures], path: Path) -> None:
    """Plots the cost of secure rounds by number of devices, measured and in theory (`federation.benchmarks.coordinator`)."""
    figure, grid = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for axes, panel in zip(grid.flat, panels, strict=True):
        for curve in panel["curves"]:
            (points,) = axes.plot(curve["sizes"], curve["values"], "o", label=curve["label"])
            colour = points.get_color()
            axes.plot(curve["sizes"], curve["theory"], color=colour, linewidth=0.8, label=curve["law"])
        sizes = sorted({size for curve in panel["curves"] for size in curve["sizes"]})
        axes.set(xscale="log", yscale="log", xlabel="devices", ylabel=panel["unit"], title=panel["title"])
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.minorticks_off()
        axes.grid(alpha=0.3)
        if panel["curves"]:
            axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _error_bars(figures: Iterable[Figures], key: str) -> np.ndarray:
    """Returns the distances of values to their intervals' lower and upper ends, [2, N], in percent; 0 without an interval."""
    pairs = [(f[key], *(f[f"{key}_ci"] or (f[key], f[key]))) for f in figures]
    # A percentile interval may exclude its own estimate; a bar cannot have a negative length.
    distances = np.array([[value - low for value, low, _ in pairs], [high - value for value, _, high in pairs]], float)
    return 100 * np.maximum(distances, 0)
