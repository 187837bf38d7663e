"""Plots as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt

from model.device.metrics import Scores


def plot_simulation(rounds: Sequence[dict[str, float]], before: Scores, path: Path) -> None:
    """Training loss by round, and recall on validation users where it was measured."""
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
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_search(curves: Mapping[str, Sequence[dict[str, float]]], path: Path) -> None:
    """Recall at 1 on validation users against the words trained on, a curve for each run of a search."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for name, rounds in curves.items():
        words = np.cumsum([r["words"] for r in rounds])
        checked = [(w, 100 * r["top1"]) for w, r in zip(words, rounds, strict=True) if "top1" in r]
        axes.plot(*zip(*checked, strict=True), ".-", label=name)
    axes.set(
        xlabel="words trained on", ylabel="%", title="Recall at 1 on validation users", xlim=(0, None), ylim=(0, None)
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_demo(result: dict[str, Any], path: Path) -> None:
    """Recall at 1, recall at 3 and keystroke savings of each of the demo's models, for each person."""
    figure, panels = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    people, stages = np.arange(len(result["users"])), result["stages"]
    names = (("top1", "Recall at 1"), ("top3", "Recall at 3"), ("ksr", "Keystroke savings rate"))
    for axes, (name, title) in zip(panels, names, strict=True):
        for i, (stage, users) in enumerate(stages.items()):
            axes.bar(people + (i - 1.5) * 0.2, [100 * u[name] for u in users], 0.18, label=stage)
        axes.set(ylabel="%", title=title, ylim=(0, None))
        axes.set_xticks(people, [f"keyboard {n + 1}" for n in people])
        axes.grid(alpha=0.3, axis="y")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(stages))
    figure.savefig(path, dpi=150)
    plt.close(figure)
