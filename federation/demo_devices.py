"""Real rounds in a few minutes: a coordinator and eight keyboards, each a process of its own, that learn together by a secure sum.

1. Eight of ChitChat's training users each get a keyboard without a window, which joins the coordinator by a link of its own.
2. The coordinator calls them to five rounds. It selects all it can and sums over six: two may drop out.
3. One keyboard is killed in the middle of the second round, and another in that of the fourth.
4. The shipped model and the one after five rounds are measured on the newest messages of all eight, which no keyboard trains on.

The coordinator holds sums alone; the words stay in the keyboards' processes.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from data.corpus import ChitChat, Corpus, Part
from data.errors import DataError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.coordinator.control import TOKEN
from federation.processes import start
from federation.rounds import keyboard
from model.device.folder import PRETRAINED, Model, load_model
from model.device.gate import held_back_from
from model.device.metrics import Scores, evaluate

_DEVICES, _TARGET, _ROUNDS = 8, 6, 5
_KILLED_IN = (2, 4)  # rounds
_WORDS = (1_500, 6_000)  # that a person of the demo has written: enough to learn from, and soon read
_MARK = ".federated-keyboard-demo-devices"
_START_SECONDS, _ROUND_SECONDS = 600.0, 1_800.0  # on a machine that has much else to do


def demo_devices(out: Path, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it makes anew.

    Returns for each round what its sum says, and recall of the first and the last model on the messages held back.

    Raises:
      DataError: `out` holds something else, or the coordinator or its rounds fail.
    """
    if out.exists() and not (out / _MARK).exists():
        raise DataError(f"{out} is there already and holds no demo of devices: choose another --out")
    shutil.rmtree(out, ignore_errors=True)
    write_by_rename(out / _MARK, b"This folder is the demo's, which makes it anew each time.\n")
    people = _people(Part(ChitChat(), "train"))
    corpus = out / "corpus.jsonl"
    _write_corpus(corpus, people)
    coordinator = _Coordinator(out)
    keyboards: list[subprocess.Popen] = []
    try:
        coordinator.wait_until_ready()
        for number, user in enumerate(people):
            keyboards.append(_join(out, corpus, user, number, coordinator.invite()))
        _say(f"{_DEVICES} keyboards have joined; {rounds} rounds begin.")
        coordinator.call("POST", f"/control/rounds?rounds={rounds}")
        view = _watch(coordinator, keyboards, rounds)
    finally:
        for process in (*keyboards, coordinator.process):
            process.kill()
        for process in (*keyboards, coordinator.process):
            process.wait()
    before = load_model(PRETRAINED)
    after = load_model(sorted((out / "coordinator" / "models").iterdir())[-1])
    measured = {"before": _recall(before, people), "after": _recall(after, people)}
    committed = [r for r in view["rounds"] if r["state"] == "committed"]
    for stage, scores in measured.items():
        _say(f"{stage:6} top-1 {scores['top1']:.2%}, top-3 {scores['top3']:.2%} on {scores['words']:,} words held back")
    return {"rounds": committed, "killed": len(_KILLED_IN), **measured}


def _people(corpus: Corpus) -> dict[str, list[str]]:
    """The first users who wrote neither little nor very much, and their messages."""
    people: dict[str, list[str]] = {}
    for user in corpus.users():
        texts = list(corpus.messages(user))
        if _WORDS[0] <= sum(len(tokenize(text)) for text in texts) <= _WORDS[1]:
            people[user] = texts
            if len(people) == _DEVICES:
                return people
    raise DataError(f"the corpus has fewer than {_DEVICES} users with {_WORDS[0]} to {_WORDS[1]} words")


def _write_corpus(path: Path, people: dict[str, list[str]]) -> None:
    lines = [
        json.dumps({"user": user, "time": f"{number:06}", "text": text})
        for user, texts in people.items()
        for number, text in enumerate(texts)
    ]
    write_by_rename(path, "".join(line + "\n" for line in lines).encode())


class _Coordinator:
    """The process `federate serve`, and its control."""

    def __init__(self, out: Path) -> None:
        self._folder = out / "coordinator"
        port, self._control_port = _free_port(), _free_port()
        command = [sys.executable, "-P", "-m", "federation.cli", "serve", "--folder", self._folder, "--invite", "0"]
        command += ["--port", port, "--control-port", self._control_port, "--minimum", 3, "--target", _TARGET]
        command += ["--over-selection", _DEVICES / _TARGET, "--selection-seconds", 15, "--clip", 2]
        self._log = out / "coordinator.log"
        with self._log.open("wb") as log:
            self.process = start([str(part) for part in command], stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        """Returns when the learner has said what the first round is told.

        Raises:
          DataError: the coordinator ended, or takes too long.
        """
        until = time.monotonic() + _START_SECONDS
        _say("The coordinator starts, and TensorFlow Federated in its worker.")
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise DataError(f"the coordinator ended: {self._log.read_text('utf-8').strip()[-300:]}")
            try:
                if self.call("GET", "/control/view").json()["ready"]:
                    return
            except (httpx.HTTPError, OSError):
                pass
            time.sleep(0.3)
        raise DataError(f"the coordinator was not ready within {_START_SECONDS:g} s: {self._log} may say why")

    def call(self, method: str, path: str) -> httpx.Response:
        """A call of the control API."""
        token = (self._folder / TOKEN).read_text("ascii")
        headers = {"authorization": f"Bearer {token}"}
        response = httpx.request(
            method, f"http://127.0.0.1:{self._control_port}{path}", headers=headers, trust_env=False
        )
        return response.raise_for_status()

    def invite(self) -> str:
        """A join link."""
        return self.call("POST", "/control/invitations").json()["link"]


def _join(out: Path, corpus: Path, user: str, number: int, link: str) -> subprocess.Popen:
    command = keyboard(
        "device", "--join", link, "--corpus", corpus, "--user", user, "--profile", out / f"keyboard-{number}"
    )
    with (out / f"keyboard-{number}.log").open("wb") as log:
        return start(command, stdout=log, stderr=log)


def _watch(coordinator: _Coordinator, keyboards: Sequence[subprocess.Popen], rounds: int) -> dict[str, Any]:
    """Tells of the rounds as they end, and kills a keyboard in two of them; returns the last view of all.

    Raises:
      DataError: the coordinator ended, or the rounds take too long.
    """
    told, to_kill, until = 0, dict(zip(_KILLED_IN, keyboards, strict=False)), time.monotonic() + _ROUND_SECONDS
    while time.monotonic() < until:
        if coordinator.process.poll() is not None:
            raise DataError("the coordinator ended in the middle of the rounds")
        view = coordinator.call("GET", "/control/view").json()
        ended = [r for r in view["rounds"] if r["state"] in ("committed", "aborted")]
        for row in ended[told:]:
            _say(_line(row))
        told = len(ended)
        done = sum(r["state"] == "committed" for r in ended)
        if done >= rounds:
            return view
        current = view["round"]
        if current and current["stage"] == "reporting" and (victim := to_kill.pop(done + 1, None)) is not None:
            victim.kill()
            _say(f"round {done + 1}: a keyboard is killed in the middle of it")
        time.sleep(0.1)
    raise DataError(f"the rounds were not done within {_ROUND_SECONDS:g} s")


def _line(row: dict[str, Any]) -> str:
    if row["state"] == "aborted":
        return f"a round was aborted: {row['reason']}"
    return (
        f"a model of {row['counted']} of {row['selected']} keyboards, {row['words']:,} words: on what they hold back its "
        f"parent had top-1 {row['top1']:.2%}, top-3 {row['top3']:.2%}"
    )


def _recall(model: Model, people: dict[str, list[str]]) -> dict[str, Any]:
    program, total = model.start(), Scores()
    for texts in people.values():
        messages = [model.vocabulary.encode(text) for text in texts]
        total += evaluate(program, messages[held_back_from([len(message) for message in messages]) :])
    return {"words": total.words, "top1": total.top1, "top3": total.top3}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
