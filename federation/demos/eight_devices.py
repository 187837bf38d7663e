"""`federate demo-devices`: a coordinator and eight keyboards, each a process of its own, run secure rounds in a few minutes.

1. The shipped model's training is repeated from random weights up to an early round. That model has much to learn, whereas five
   rounds of eight keyboards bring the shipped model, which has seen ten million words, no statistically significant gain.
2. Eight people whose words it has not seen (`federation.demos.people`) each get a keyboard without a window, which joins the
   coordinator by its own link.
3. The coordinator runs five rounds. It selects all keyboards and sums over the first six that report, so that two may drop
   out.
4. One keyboard is killed in the middle of the second round, and another in the middle of the fourth.
5. The models before and after the rounds are compared on the people's newer messages, which no keyboard has. Each round also
   reports recall on messages that its keyboards hold back, as sums.

The coordinator sees only sums; the words stay in the keyboards' processes.
"""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from data.corpus import ChitChat, Part
from data.errors import DataError
from data.files import write_by_rename
from federation.coordinator.web.control_api import TOKEN
from federation.demos.folder import replace_demo_folder
from federation.demos.pages import devices_report, verdict
from federation.demos.people import PEOPLE, Person, choose_people, compare_models, recall
from federation.keyboards import keyboard
from federation.processes import free_port, start
from federation.reports.plots import plot_demo_devices
from model.device.folder import PRETRAINED, load_model

_TARGET, _ROUNDS = 6, 5
_KILLED_IN = (2, 4)  # rounds in which a keyboard is killed
_EARLY = 30  # rounds of the shipped model's training
# These steps are larger than the shipped model's. They raised an early model's recall at 1 from 4.7% to 6.0% in two rounds, on
# the validation users that settings were chosen on.
_TRAINING = ("--learning-rate", 1, "--passes", 2, "--max-words", 4_000, "--clip", 4)
_START_SECONDS, _ROUND_SECONDS = 600.0, 1_800.0  # deadlines, generous because of background load

_console = Console(stderr=True)


def demo_devices(out: Path, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it replaces, and leaves a report there.

    Returns the figures of `compare_models` for the first and the last model, and the coordinator's figures of each round.

    Raises:
      DataError: `out` holds something else, or the coordinator or its rounds failed.
    """
    replace_demo_folder(out, "demo-devices")
    began = time.monotonic()
    people = choose_people(Part(ChitChat(), "validation"))
    first = _early_model(out)
    committed = _run_rounds(out, first, people, rounds)
    after = load_model(sorted((out / "coordinator" / "models").iterdir())[-1])
    shipped = load_model(PRETRAINED)
    result = compare_models(load_model(first), after, people) | {"shipped": recall(shipped, people)}
    result |= {
        "early": _EARLY,
        "shipped_rounds": shipped.provenance.round,
        "rounds": committed,
        "killed": {str(i): r for i, r in enumerate(_KILLED_IN, 1) if r <= rounds},
    }
    result |= {"seconds": round(time.monotonic() - began, 1), "report": str(out / "report.html")}
    _print_table(result)
    plot_demo_devices(result, out / "recall.png")
    write_by_rename(out / "report.html", devices_report(result).encode())
    _say(f"Report: {out / 'report.html'}")
    return result


def _early_model(out: Path) -> Path:
    """Trains the shipped model again up to round `_EARLY`, by the command on its card; returns the model's folder.

    Raises:
      DataError: the command failed.
    """
    _say(f"TensorFlow Federated simulates the first {_EARLY} rounds of the shipped model's training.")
    made_by = next(line for line in load_model(PRETRAINED).card.splitlines() if line.startswith("1. `uv run federate "))
    arguments = shlex.split(made_by.removeprefix("1. `uv run federate ").removesuffix("`"))
    command = [sys.executable, "-P", "-m", "federation", *arguments, "--rounds", _EARLY, "--checks", 1]
    log = out / "first.log"
    with log.open("wb") as output:
        process = start([*map(str, command), "--out", out / "first"], stdout=output, stderr=output)
        if process.wait():
            raise DataError(f"training the early model failed: {log.read_text('utf-8').strip()[-300:]}")
    return out / "first" / "model"


def _run_rounds(out: Path, first: Path, people: Sequence[Person], rounds: int) -> list[dict[str, Any]]:
    """Starts a coordinator and a keyboard for each person, runs the rounds, and returns the rows of the committed ones.

    Raises:
      DataError: the coordinator or its rounds failed.
    """
    corpus = out / "corpus.jsonl"
    _write_corpus(corpus, people)
    coordinator = _Coordinator(out, first)
    keyboards: list[subprocess.Popen] = []
    try:
        coordinator.wait_until_ready()
        for number, person in enumerate(people, 1):
            keyboards.append(_join(out, first, corpus, person.user, number, coordinator.invite()))
        _say(
            f"{PEOPLE} keyboards have joined. Their people are validation users of ChitChat, whose words trained no shared model."
        )
        _say(f"{rounds} rounds begin. Watch them at {coordinator.dashboard}")
        coordinator.call("POST", f"/control/rounds?rounds={rounds}")
        view = _watch(coordinator, keyboards, rounds)
    finally:
        for process in (*keyboards, coordinator.process):
            process.kill()
        for process in (*keyboards, coordinator.process):
            process.wait()
    return [row for row in view["rounds"] if row["state"] == "committed"]


def _write_corpus(path: Path, people: Sequence[Person]) -> None:
    lines = [
        json.dumps({"user": person.user, "time": f"{number:06}", "text": text})
        for person in people
        for number, text in enumerate(person.typed)
    ]
    write_by_rename(path, "".join(line + "\n" for line in lines).encode())


class _Coordinator:
    """A `federate serve` process and its control API."""

    def __init__(self, out: Path, model: Path) -> None:
        self._folder = out / "coordinator"
        port, self._control_port = free_port(), free_port()
        command = [sys.executable, "-P", "-m", "federation", "serve", "--folder", self._folder, "--invite", "0"]
        command += ["--rounds", 0]
        command += ["--model", model]
        command += ["--port", port, "--control-port", self._control_port, "--minimum", 3, "--target", _TARGET]
        command += ["--over-selection", PEOPLE / _TARGET, "--selection-seconds", 15, *_TRAINING]
        self._log = out / "coordinator.log"
        with self._log.open("wb") as log:
            self.process = start([str(part) for part in command], stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        """Waits until the coordinator can begin a round.

        Raises:
          DataError: the coordinator ended or takes too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        _say("The coordinator starts, with TensorFlow Federated in a process of its own.")
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DataError(f"the coordinator ended: {self._log.read_text('utf-8').strip()[-300:]}")
            try:
                if self.call("GET", "/control/view").json()["ready"]:
                    return
            except (httpx.HTTPError, OSError):
                pass
            time.sleep(0.3)
        raise DataError(f"the coordinator was not ready within {_START_SECONDS:g} s: see {self._log}")

    def call(self, method: str, path: str) -> httpx.Response:
        """Calls the control API and returns its response.

        Raises:
          httpx.HTTPError: the call failed.
        """
        token = (self._folder / TOKEN).read_text("ascii")
        headers = {"authorization": f"Bearer {token}"}
        response = httpx.request(
            method, f"http://127.0.0.1:{self._control_port}{path}", headers=headers, trust_env=False
        )
        return response.raise_for_status()

    @property
    def dashboard(self) -> str:
        """The URL of the dashboard."""
        return f"http://127.0.0.1:{self._control_port}/?token={(self._folder / TOKEN).read_text('ascii')}"

    def invite(self) -> str:
        """Returns a new join link."""
        return self.call("POST", "/control/invitations").json()["link"]


def _join(out: Path, model: Path, corpus: Path, user: str, number: int, link: str) -> subprocess.Popen:
    """Starts a keyboard with a user's messages from the corpus, which joins the coordinator by the link."""
    options = ("--model", model, "--corpus", corpus, "--user", user, "--profile", out / f"keyboard-{number}")
    command = keyboard("device", "--join", link, *options)
    with (out / f"keyboard-{number}.log").open("wb") as log:
        return start(command, stdout=log, stderr=log)


def _watch(coordinator: _Coordinator, keyboards: Sequence[subprocess.Popen], rounds: int) -> dict[str, Any]:
    """Prints each round when it ends, kills a keyboard in two of them, and returns the coordinator's last view.

    Raises:
      DataError: the coordinator ended or the rounds take too long.
    """
    printed, to_kill, deadline = 0, dict(zip(_KILLED_IN, keyboards, strict=False)), time.monotonic() + _ROUND_SECONDS
    while time.monotonic() < deadline:
        if coordinator.process.poll() is not None:
            raise DataError(
                "the coordinator ended before the rounds were done: see coordinator.log in the demo's folder"
            )
        view = coordinator.call("GET", "/control/view").json()
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
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
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
    shipped = result["shipped"]
    _say(
        f"The shipped model, after {result['shipped_rounds']:,} rounds: recall at 1 {shipped['top1']:.1%}, "
        f"recall at 3 {shipped['top3']:.1%}."
    )


def _say(line: str) -> None:
    _console.print(line, soft_wrap=True, highlight=False, markup=False)
