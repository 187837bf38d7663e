"""`federate demo-devices`: a coordinator and eight keyboards, each a process of its own, run secure rounds in a few minutes.

1. A coordinator starts from the public model, which knows no word of ChitChat (or from the model folder of `--model`).
2. Eight people whose words it has not seen (`federation.demos.people`) each get a keyboard without a window, which joins the
   coordinator by its own link.
3. The coordinator runs five rounds. It selects all keyboards and sums over the first six that report, so that two may drop
   out.
4. One keyboard is killed in the middle of the second round, and another in the middle of the fourth.
5. The models before and after the rounds are compared on the people's newer messages, which no keyboard has. Each round also
   reports recall on messages that its keyboards hold back, as sums.

The coordinator sees only sums; the words stay in the keyboards' processes.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.corpus import ChitChat, Part
from data.errors import DataError
from data.files import write_by_rename
from federation.demos.coordinator_process import CoordinatorProcess, end, join
from federation.demos.folder import replace_demo_folder
from federation.demos.pages import devices_report, verdict
from federation.demos.people import PEOPLE, Person, choose_people, compare_models
from federation.reports.plots import plot_demo_devices
from model.device.folder import load_model

_TARGET, _ROUNDS = 6, 5
_KILLED_IN = (2, 4)  # rounds in which a keyboard is killed
# Chosen on other validation users (`people._TUNED_ON`); a device takes larger steps than in rounds of many.
_TRAINING = ("--learning-rate", 1, "--passes", 2, "--max-words", 4_000, "--clip", 4)
_RULES = ("--minimum", 3, "--target", _TARGET, "--over-selection", PEOPLE / _TARGET, "--selection-seconds", 15)
_ROUND_SECONDS = 1_800.0  # a deadline, generous because of background load

_console = Console(stderr=True)


def demo_devices(shipped: Path, out: Path, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it replaces, and leaves a report there.

    Args:
      shipped: the model folder to start from.
      out: the demo's folder.
      rounds: the number of rounds.

    Returns:
      The figures of `compare_models` for the first and the last model, and the coordinator's figures of each round.

    Raises:
      DataError: `out` holds something else, or the coordinator or its rounds failed.
    """
    began = time.monotonic()
    first = load_model(shipped)
    replace_demo_folder(out, "demo-devices")
    people = choose_people(Part(ChitChat(), "validation"))
    committed, newest = _run_rounds(out, shipped, people, rounds)
    result = compare_models(first, load_model(newest), people)
    result |= {"rounds": committed, "killed": {str(i): r for i, r in enumerate(_KILLED_IN, 1) if r <= rounds}}
    result |= {"seconds": round(time.monotonic() - began, 1), "report": str(out / "report.html")}
    _print_table(result)
    plot_demo_devices(result, out / "recall.png")
    write_by_rename(out / "report.html", devices_report(result).encode())
    _say(f"Report: {out / 'report.html'}")
    return result


def _run_rounds(out: Path, shipped: Path, people: Sequence[Person], rounds: int) -> tuple[list[dict[str, Any]], Path]:
    """Starts a coordinator and a keyboard for each person, and runs the rounds.

    Returns:
      The rows of the committed rounds, and the folder of the newest model.

    Raises:
      DataError: the coordinator or its rounds failed.
    """
    _say("The coordinator starts, with TensorFlow Federated in a process of its own.")
    coordinator = CoordinatorProcess(out, shipped, (*_RULES, *_TRAINING))
    keyboards: list[subprocess.Popen] = []
    try:
        coordinator.wait_until_serving()
        keyboards = join(out, shipped, people, coordinator)
        _say(
            f"{PEOPLE} keyboards join. Their people are validation users of ChitChat, whose words trained no shared model."
        )
        coordinator.wait_until_ready()
        _say(f"{rounds} rounds begin. Watch them at {coordinator.dashboard}")
        coordinator.schedule(rounds)
        view = _watch(coordinator, keyboards, rounds)
    finally:
        end([*keyboards, coordinator.process])
    return [row for row in view["rounds"] if row["state"] == "committed"], coordinator.newest_model


def _watch(coordinator: CoordinatorProcess, keyboards: Sequence[subprocess.Popen], rounds: int) -> dict[str, Any]:
    """Prints each round when it ends, kills a keyboard in two of them, and returns the coordinator's last view.

    Raises:
      DataError: the coordinator ended or the rounds take too long.
    """
    printed, to_kill, deadline = 0, dict(zip(_KILLED_IN, keyboards, strict=False)), time.monotonic() + _ROUND_SECONDS
    while time.monotonic() < deadline:
        coordinator.check()
        view = coordinator.view()
        ended = [r for r in view["rounds"] if r["state"] in ("committed", "aborted")]
        for row in ended[printed:]:
            _say(_line(row))
        printed = len(ended)
        done = sum(r["state"] == "committed" for r in ended)
        if done >= rounds:
            return view
        current = view["round"]
        if current and current["stage"] == "reporting" and (victim := to_kill.pop(done + 1, None)) is not None:
            victim.kill()
            _say(f"Round {done + 1}: one keyboard is killed.")
        time.sleep(0.1)
    raise DataError(f"the rounds were not done within {_ROUND_SECONDS:g} s")


def _line(row: dict[str, Any]) -> str:
    if row["state"] == "aborted":
        return f"A round was aborted: {row['reason']}"
    one, three = (f"{row[k]:.1%} → {row[f'{k}_after']:.1%}" for k in ("top1", "top3"))
    return (
        f"{row['counted']} of {row['selected']} keyboards trained a new model on {row['words']:,} words. On {row['tested']:,} "
        f"words that they hold back, before and after each keyboard's training: recall at 1 {one}, recall at 3 {three}"
    )


def _print_table(result: dict[str, Any]) -> None:
    table = Table(title="On each person's newer messages, which no keyboard has")
    for name in ("", "words", "recall at 1, %", "recall at 3, %", "perplexity", "first guesses gained / lost"):
        # Only the longest heading may wrap, so that the table fits a terminal of 80 columns.
        table.add_column(name, justify="right" if name else "left", no_wrap=not name.startswith("first"))
    rows = [(f"keyboard {n}", row) for n, row in enumerate(result["people"], 1)]
    for name, row in [*rows, ("all", result["all"])]:
        if name == "all":
            table.add_section()
        before, after = row["before"], row["after"]
        recalls = [f"{100 * before[k]:.1f} → {100 * after[k]:.1f}" for k in ("top1", "top3")]
        perplexity = f"{before['perplexity']:.0f} → {after['perplexity']:.0f}"
        table.add_row(name, f"{row['words']:,}", *recalls, perplexity, f"{row['better']} / {row['worse']}")
    _console.print(table)
    _say(verdict(result["all"]))


def _say(line: str) -> None:
    _console.print(line, soft_wrap=True, highlight=False, markup=False)
