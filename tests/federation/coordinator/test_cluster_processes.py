"""Three processes of `federate serve --join-cluster` with TFF: the one that leads is killed in a round, which goes on.

The devices are the test's: each sends a delta that the test knows.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.coordinator.round_machine import Stage
from federation.coordinator.store import CoordinatorStore
from federation.processes import free_port, start
from federation.protocol import api_messages
from federation.protocol.delta_encoding import flatten
from federation.protocol.join_link import JoinLink
from federation.protocol.round_terms import TrainingResult
from federation.protocol.signed_requests import device_name
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError, enrol
from model.device.folder import load_model

DEVICES = 4
MINUTE = 60.0


class ClusterDevice:
    """A device that joins by a link and sends a delta of its own."""

    def __init__(self, link: JoinLink, vocabulary: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.client = FederationClient(link.url, enrol(link, key), key)
        self.own = SimulatedDevice(self._vectors)
        self.own.key, self.own.name = key, device_name(key)
        self._vocabulary = vocabulary

    def delta(self, length: int) -> np.ndarray:
        found = np.random.default_rng(int(self.own.name[:8], 16)).normal(size=length).astype(np.float32)
        return found * np.float32(0.3 / np.linalg.norm(found))

    def _vectors(self, plan: api_messages.Plan) -> tuple:
        return plan.terms.contribution(TrainingResult(self.delta(plan.terms.length), 50), np.random.default_rng(0))

    def turn(self, until: Stage | None = None) -> str:
        """Takes one turn, and sends nothing in the stage `until`; returns its task."""
        try:
            call = self.client.check_in(self._vocabulary, self.own.round_name, 0)
            if call.outcome:
                self.own.forget()
            if call.task in (api_messages.REST, api_messages.WAIT):
                return call.task
            if not self.own.round_name:
                plan = self.client.plan(call.round_name)
                assert isinstance(plan, api_messages.Plan)
                self.own.begin(plan)
            if call.task != until:
                needed = b"" if self.own.has(call.task) else self.client.needs(call.round_name, call.task)
                self.client.give(call.round_name, call.task, self.own.message(call.task, needed))
            return call.task
        except UnreachableError:  # the process that had the connection was killed
            return api_messages.REST
        except RefusedError as refused:
            assert refused.status in (api_messages.LATE, api_messages.EARLY, api_messages.REPEATED), refused
            return api_messages.REST


class Cluster:
    """Processes of one federation behind one port."""

    def __init__(self, folder: Path, model: Path, database: str) -> None:
        self.folder, self.model, self.database = folder, model, database
        self.hub, self.log = folder / "hub", folder / "log"
        self.port, self.control_port = free_port(), free_port()
        self.processes = [self.start()]
        self.wait_for(lambda: self.control("GET", "/control/view").status_code == 200)
        self.processes += [self.start(), self.start()]

    def start(self):
        places = ("--folder", self.hub, "--model", self.model, "--port", self.port, "--control-port", self.control_port)
        rules = ("--minimum", 3, "--target", DEVICES, "--over-selection", 1, "--clip", 4, "--max-words", 60)
        command = (
            "serve",
            *places,
            *rules,
            "--invite",
            0,
            "--rounds",
            0,
            "--database",
            self.database,
            "--join-cluster",
        )
        with self.log.open("ab") as log:
            arguments = [sys.executable, "-P", "-m", "federation", *map(str, command)]
            return start(arguments, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(self.folder)})

    def control(self, method: str, path: str) -> httpx.Response:
        token, port = ((self.hub / name).read_text() for name in ("control-token", "control-port"))
        url, headers = f"http://127.0.0.1:{port}{path}", {"authorization": f"Bearer {token}"}
        return httpx.request(method, url, headers=headers, timeout=MINUTE).raise_for_status()

    def wait_for(self, condition: Callable[[], object], seconds: float = 10 * MINUTE) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except (httpx.TransportError, OSError):  # nobody leads for a moment
                pass
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path, small_model_folder: Path, new_database: Callable[[], str]) -> Iterator[Cluster]:
    made = Cluster(tmp_path, small_model_folder, new_database())
    yield made
    made.end()


def test_a_round_ends_although_the_process_that_leads_is_killed_in_it(
    cluster: Cluster, small_model_folder: Path
) -> None:
    before = load_model(small_model_folder)
    links = [JoinLink.parse(cluster.control("POST", "/control/invitations").json()["link"]) for _ in range(DEVICES)]
    devices = [ClusterDevice(link, before.vocabulary.sha256) for link in links]
    cluster.control("POST", "/control/rounds?rounds=1")
    held = devices[-1]

    def all_but_one_have_sent() -> bool:
        tasks = [device.turn(Stage.REPORTING if device is held else None) for device in devices]
        return tasks == [api_messages.WAIT] * (DEVICES - 1) + [Stage.REPORTING]

    cluster.wait_for(all_but_one_have_sent)
    cluster.processes[0].send_signal(signal.SIGKILL)
    cluster.processes[0].wait()

    def committed() -> bool:
        for device in devices:
            device.turn()
        return bool(cluster.control("GET", "/control/view").json()["rounds"][-1]["state"] == "committed")

    cluster.wait_for(committed)
    store = CoordinatorStore.connect(cluster.database)
    (row,) = store.rounds()
    counted = store.counted(row.number)
    store.close()
    assert row.state == "committed" and set(counted) == {device.own.name for device in devices}
    after = load_model(cluster.hub / "models" / f"{row.number:06}")
    shapes = before.provenance.config.shapes
    change = flatten(after.weights, shapes) - flatten(before.weights, shapes)
    mean = np.mean([device.delta(len(change)) for device in devices], axis=0)
    assert np.linalg.norm(change - mean) < 0.02 * np.linalg.norm(mean)
    assert "this process leads the federation" in cluster.log.read_text()
