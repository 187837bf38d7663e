"""Real processes are killed in rounds: a keyboard in each stage, the coordinator in each stage and before the commit.

One device belongs to the test: it holds a stage open by sending nothing, so that a process is killed in exactly that stage. The
coordinator is `federate serve` with TFF; the keyboards are `keyboard device` with LiteRT. Their words are known here, so the test
can repeat their training and compare the model with the mean.
"""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.corpus import JsonLines
from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.coordinator.round_machine import GIVING, Stage
from federation.processes import free_port, start
from federation.protocol import api_messages
from federation.protocol.delta_encoding import flatten
from federation.protocol.join_link import JoinLink
from federation.protocol.round_terms import TrainingResult
from federation.protocol.signed_requests import device_name
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError, enrol
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.round_training import learn
from keyboard_app.recording.user_profile import read_vault
from model.device.folder import Model, load_model
from model.device.learning.finetuning import FineTuning
from model.device.weights import digest

KEYBOARDS = 4
HOW = FineTuning(passes=1, max_words=300)
MINUTE = 60.0
DRAWN = 7
# `keyboard device`, with known draws for the order of training and the rounding: the test repeats the training.
WITH_A_KNOWN_DRAW = f"""if True:
    import secrets, sys

    secrets.randbits = lambda _bits: {DRAWN}
    from keyboard_app.cli import main
    sys.exit(main())
"""


class Processes:
    """A coordinator, keyboards, and the test's own device, which holds stages open."""

    def __init__(self, folder: Path, model: Path, corpus: Path) -> None:
        self.folder, self.model, self.corpus = folder, model, corpus
        # The system's temporary folder, as these processes see it: other tests write into the real one meanwhile.
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.environment = {**os.environ, "TMPDIR": str(self.temporary)}
        self.ports = free_port(), free_port()
        # One client for all requests, because a client loads certificates; a connection for each, because of the restarts.
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports[1]}",
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.users = JsonLines(corpus).users()[:KEYBOARDS]
        self.log = folder / "log"
        self.coordinator = self.start_coordinator()
        self.keyboards: list[subprocess.Popen] = []
        for user in self.users:
            self.keyboards.append(self.start_keyboard(user, self.invite()))
        link = JoinLink.parse(self.invite())
        key = Ed25519PrivateKey.generate()
        certificate = enrol(link, key)
        self.own = SimulatedDevice(self.vectors)
        self.own.key, self.own.name = key, device_name(key)
        self.client = FederationClient(link.url, certificate, key)
        self.vocabulary = load_model(model).vocabulary.sha256
        self.given: dict[str, np.ndarray] = {}

    def start(self, *command: object) -> subprocess.Popen:
        with self.log.open("ab") as log:
            arguments = [sys.executable, "-P", "-m", *map(str, command)]
            return start(arguments, stdout=log, stderr=log, env=self.environment)

    def start_coordinator(self) -> subprocess.Popen:
        port, control = self.ports
        rules = ("--minimum", 3, "--target", KEYBOARDS + 1, "--over-selection", 1)
        training = ("--max-words", HOW.max_words, "--clip", 4)
        folder = self.folder / "coordinator"
        places = ("--folder", folder, "--model", self.model, "--port", port, "--control-port", control)
        return self.start("federation", "serve", *places, *rules, *training, "--invite", 0, "--rounds", 0)

    def start_keyboard(self, user: str, link: str | None = None) -> subprocess.Popen:
        profile = self.folder / user
        words = ("--corpus", self.corpus, "--user", user, "--profile", profile, "--model", self.model)
        command = ("-c", WITH_A_KNOWN_DRAW, "device", *words, *(("--join", link) if link else ()))
        with self.log.open("ab") as log:
            return start([sys.executable, "-P", *map(str, command)], stdout=log, stderr=log, env=self.environment)

    def control(self, method: str, path: str) -> httpx.Response:
        until = time.monotonic() + MINUTE
        while True:
            try:
                token = (self.folder / "coordinator" / "control-token").read_text()
                headers = {"authorization": f"Bearer {token}"}
                return self.http.request(method, path, headers=headers).raise_for_status()
            except (httpx.TransportError, OSError):
                assert time.monotonic() < until, self.log.read_text()
                time.sleep(0.05)

    def invite(self) -> str:
        return self.control("POST", "/control/invitations").json()["link"]

    def view(self) -> dict:
        return self.control("GET", "/control/view").json()

    def wait_for(self, condition: Callable[[], object], seconds: float = 10 * MINUTE) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def vectors(self, plan: api_messages.Plan) -> tuple:
        rng = np.random.default_rng(plan.seed)
        terms = plan.terms
        delta = rng.normal(size=terms.length).astype(np.float32)
        self.given[plan.round_name] = delta * np.float32(0.3 / np.linalg.norm(delta))
        return terms.contribution(TrainingResult(self.given[plan.round_name], 50), rng)

    def turn(self, until: str | None = None) -> str:
        """Takes one turn of the test's own device, which sends nothing in the stage `until`; returns its task."""
        try:
            call = self.client.check_in(self.vocabulary, self.own.round_name, 0)
            if call.outcome:
                self.own.forget()
            if call.task in (api_messages.REST, api_messages.WAIT):
                return call.task
            if not self.own.round_name:
                plan = self.client.plan(call.round_name)
                assert isinstance(plan, api_messages.Plan)
                self.own.begin(plan)
            if call.task == until:
                return call.task
            needed = b"" if self.own.has(call.task) else self.client.needs(call.round_name, call.task)
            self.client.give(call.round_name, call.task, self.own.message(call.task, needed))
            return call.task
        except UnreachableError:
            return api_messages.REST
        except RefusedError as refused:
            assert refused.status in (api_messages.LATE, api_messages.EARLY), refused
            return api_messages.REST

    def stage(self) -> str | None:
        current = self.view()["round"]
        return current and current["stage"]

    def hold(self, stage: str) -> None:
        """Returns once a stage waits for the test's own device alone.

        Unmasking does not need that device; there two keyboards are stopped instead, without which the sum cannot be unmasked.
        """
        if stage == Stage.UNMASKING:
            self.hold(Stage.CONSISTENCY)
            for process in self.keyboards[1:3]:
                process.send_signal(signal.SIGSTOP)
            self.turn()
            self.wait_for(lambda: self.stage() == stage)
            return
        self.wait_for(lambda: self.turn(stage) == stage)
        self.wait_for(lambda: (r := self.view()["round"]) and r["stage"] == stage and r["given"] == r["expected"] - 1)

    def release(self) -> None:
        for process in self.keyboards:
            process.send_signal(signal.SIGCONT)

    def committed(self) -> int:
        return sum(row["state"] == "committed" for row in self.view()["rounds"])

    def finish_round(self, before: int) -> None:
        def done() -> bool:
            self.turn()
            return self.committed() > before

        self.wait_for(done)

    def end(self) -> None:
        self.http.close()
        for process in (*self.keyboards, self.coordinator):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory, small_model_folder: Path, corpus_file: Path
) -> Iterator[Processes]:
    made = Processes(tmp_path_factory.mktemp("processes"), small_model_folder, corpus_file)
    yield made
    made.end()


def models(processes: Processes) -> list[tuple[int, Model, Model]]:
    """Returns the committed rounds with the models before and after them, as far as both are still on the disk."""
    found = []
    folder = processes.folder / "coordinator" / "models"
    committed = [0, *(row["number"] for row in processes.view()["rounds"] if row["state"] == "committed")]
    for before, after in itertools.pairwise(committed):
        if (folder / f"{before:06}").exists() and (folder / f"{after:06}").exists():
            found.append((after, load_model(folder / f"{before:06}"), load_model(folder / f"{after:06}")))
    return found


def check_newest_model(processes: Processes) -> None:
    """Checks that the newest model is the one before plus the mean, weighted by words, of the recorded devices' deltas."""
    number, before, after = models(processes)[-1]
    with closing(sqlite3.connect(f"file:{processes.folder}/coordinator/coordinator.sqlite?mode=ro", uri=True)) as db:
        counted = {row[0] for row in db.execute("SELECT device FROM participations WHERE round = ?", (number,))}
        name = db.execute("SELECT name FROM rounds WHERE number = ?", (number,)).fetchone()[0]
    corpus, parts, weights = JsonLines(processes.corpus), [], []
    for user in processes.users:
        with Membership.open(processes.folder / user, read_vault(processes.folder / user)) as membership:
            joined, shared = membership.joined, membership.shared()
        assert joined is not None
        if device_name(joined.key) in counted:
            messages = [before.vocabulary.encode(text) for text in corpus.messages(user)]
            repeated = sum(one.model == digest(before.weights) for one in shared) > 1
            training = learn(before, messages, HOW, (number, DRAWN), repeated)
            while True:
                try:
                    next(training)
                except StopIteration as done:
                    parts.append(done.value.delta)
                    weights.append(done.value.words)
                    break
    if processes.own.name in counted:
        parts.append(processes.given[name])
        weights.append(50)
    assert len(parts) == len(counted) >= 3
    mean = np.average(parts, axis=0, weights=weights)
    shapes = before.provenance.config.shapes
    change = flatten(after.weights, shapes) - flatten(before.weights, shapes)
    # With 16 bits for sums of five, rounding adds far less than a hundredth of the change.
    assert np.linalg.norm(change - mean) < 0.02 * np.linalg.norm(mean)


@pytest.mark.parametrize("stage", GIVING)
def test_a_keyboard_is_killed(stage: Stage, processes: Processes) -> None:
    before = processes.committed()
    processes.control("POST", "/control/rounds?rounds=1")
    processes.hold(stage)
    processes.keyboards[0].send_signal(signal.SIGKILL)
    processes.keyboards[0].wait()
    processes.keyboards[0] = processes.start_keyboard(processes.users[0])
    processes.release()
    processes.finish_round(before)
    check_newest_model(processes)


def test_the_coordinator_is_killed_in_each_stage_and_before_the_commit(processes: Processes) -> None:
    before, rows = processes.committed(), len(processes.view()["rounds"])
    processes.control("POST", "/control/rounds?rounds=1")
    for stage in GIVING:
        if stage == Stage.UNMASKING:  # the keyboards have given two updates on this model, and give three at most
            processes.finish_round(before)
            before = processes.committed()
            processes.control("POST", "/control/rounds?rounds=1")
        processes.hold(stage)
        processes.coordinator.send_signal(signal.SIGKILL)
        processes.coordinator.wait()
        processes.own.forget()
        processes.coordinator = processes.start_coordinator()
        processes.control("POST", "/control/rounds?rounds=1")  # at once, without the wait after a failed round
        processes.release()

    # The last time it is killed when the sum is on the disk and the learner is still loading.
    def summed() -> bool:
        processes.turn()
        return any(row["state"] == "summed" for row in processes.view()["rounds"])

    processes.wait_for(summed)
    processes.coordinator.send_signal(signal.SIGKILL)
    processes.coordinator.wait()
    processes.coordinator = processes.start_coordinator()
    processes.finish_round(before)
    states = [row["state"] for row in processes.view()["rounds"]][rows:]
    assert states == ["aborted"] * (len(GIVING) - 1) + ["committed", "aborted", "committed"]
    check_newest_model(processes)
    left = [path.name for path in (processes.folder / "coordinator" / "temporary").iterdir()]
    assert left == ["learner"], "the running learner's files, and no sum of a coordinator that was killed"
    kept = [path.name for path in processes.temporary.rglob("*")]
    assert not [name for name in kept if name.startswith(("__autograph", "sum-"))]


def test_the_coordinator_holds_no_message_of_a_device(processes: Processes) -> None:
    corpus = JsonLines(processes.corpus)
    texts = {text for user in processes.users for text in corpus.messages(user)}
    own = {p for p in (processes.folder / "coordinator").rglob("*") if p.is_file() and p.name != "vocabulary.txt"}
    kept = b"\n".join(path.read_bytes() for path in (*own, processes.log))
    assert len(kept) > 10_000 and texts
    for text in texts:
        assert text.encode() not in kept
        assert " ".join(text.split()[:3]).encode() not in kept


def test_devices_keep_a_record_of_their_updates(processes: Processes) -> None:
    committed = {row["number"] for row in processes.view()["rounds"] if row["state"] == "committed"}
    profile = processes.folder / processes.users[1]
    with Membership.open(profile, read_vault(profile)) as membership:
        shared = membership.shared()
    assert len(committed) == 7
    assert sum(one.outcome == "counted" for one in shared) >= 4
    assert all(one.words > 0 and one.bytes > 1000 for one in shared)
    assert (processes.folder / processes.users[1] / "federation.sqlite").stat().st_mode & 0o077 == 0
