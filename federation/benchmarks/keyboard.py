"""The benchmark of the keyboard's window, whose latency `keyboard_app/window/latency.py` measures from inside; needs a display."""

import json
from pathlib import Path

from federation.benchmarks.loads.display import display
from federation.benchmarks.measuring import Benchmark, Figure, output, ratio_figure
from federation.keyboards import keyboard

_WHEN = {"idle": "idle", "learning": "while it learns"}
_MEMORY = {
    "private": "private memory of the window at the largest moment between two keys",
    "shared": "pages of files and of the display at that moment, which can be shared",
}


def measure_keyboard(folder: Path, presses: int, repeats: int = 5) -> Benchmark:
    """Opens a window with the model in `folder` `repeats` times; presses `presses` keys while idle and again while it learns.

    Raises:
      SkippedBenchmarkError: there is neither a display nor a virtual one.
      DataError: the keyboard failed.
    """
    command = keyboard("benchmark", "--model", folder, "--presses", str(presses), "--json")
    with display():
        runs = [json.loads(output(command).splitlines()[-1]) for _ in range(repeats)]
    starts = [run["start_to_first_suggestion_s"] for run in runs]
    figures = [Figure("start", "from the window's start to its first suggestion", "s", starts)]
    for when, words in _WHEN.items():
        for part in ("p50", "p99"):
            waits = [run["press_to_suggestions_ms"][when][part] for run in runs]
            target = "at most 16" if part == "p99" else ""
            description = f"from a key press to its painted suggestions, {words}, {part}"
            figures.append(Figure(f"{when}_{part}", description, "ms", waits, target))
    for when, words in _WHEN.items():
        waits = [run["lift_to_word_ms"][when]["p99"] for run in runs]
        description = f"from a lifted finger to its painted word, {words}, p99"
        figures.append(Figure(f"glide_{when}_p99", description, "ms", waits, "at most 16"))
    bare = [run["press_to_bare_frame_ms"]["p50"] for run in runs]
    description = "from a press to the frame of a window that shows only a number, p50"
    figures.append(Figure("bare_p50", description, "ms", bare))
    idle = [run["press_to_suggestions_ms"]["idle"]["p50"] for run in runs]
    figures.append(ratio_figure("idle_to_bare", "ratio of a key press while idle to that", idle, bare))
    figures.append(
        Figure("memory", "peak memory of the window", "MiB", [run["peak_memory_mb"] for run in runs], "under 250")
    )
    bare_memory = [run["bare_memory_mb"] for run in runs]
    figures.append(Figure("bare_memory", "of this, before the window has a keyboard", "MiB", bare_memory))
    for part, description in _MEMORY.items():
        sizes = [run[f"{part}_memory_mb"] for run in runs if f"{part}_memory_mb" in run]
        if sizes:  # not every system tells
            figures.append(Figure(f"{part}_memory", description, "MiB", sizes))
    return Benchmark("keyboard", f"The window, {presses} key presses per measurement", figures)
