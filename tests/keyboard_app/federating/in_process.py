"""A coordinator and keyboards in one process: real messages over the real API, without a network, and without TFF."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.generators import result_of
from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.coordinator.round_machine import Round, Rules
from federation.coordinator.rounds import CoordinatorSettings, OpenRound
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.device_api import DeviceApi
from federation.protocol.api_messages import Enrolment, Plan
from federation.protocol.round_terms import Terms, TrainingResult
from federation.protocol.secure_aggregation.modular_vectors import Vector
from federation.protocol.signed_requests import device_name, sign_enrolment
from keyboard_app.federating.client import FederationClient
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.participant import Participant
from keyboard_app.federating.word_offers import WordSource
from keyboard_app.recording.vault import Vault
from model.device.folder import Model, load_model
from model.device.learning.finetuning import FineTuning
from tests.federation.coordinator.conftest import World

HOW = FineTuning(passes=1, max_words=300)
URL = "https://coordinator"


class InThread(httpx.BaseTransport):
    """Answers requests by an application, in the thread of the caller: a store belongs to one thread."""

    def __init__(self, app: Any) -> None:
        self._app, self._loop = httpx.ASGITransport(app), asyncio.new_event_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._app.handle_async_request(request)
        stream = httpx.ByteStream(await answer.aread())
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def close(self) -> None:
        self._loop.close()


class Coordinator:
    """A coordinator on the small model for three or four devices, and its API."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        shapes = load_model(shipped).provenance.config.shapes
        self.length = sum(int(np.prod(shape)) for shape in shapes.values())
        rules = Rules(3, 4, 1.0, *[10.0] * 5)
        terms = Terms(self.length, 4.0, HOW.max_words, 4, 16, 5, 1.0)
        self.world = World(folder, shipped, CoordinatorSettings(rules, HOW, backoff_seconds=0.0), terms)
        self.devices: list[SimulatedDevice] = []
        self.shipped, self.certificate = shipped, certificate(folder / "certificate.pem", "127.0.0.1").path.read_text()
        self.connect()

    def connect(self) -> None:
        api = DeviceApi(self.world.coordinator, clock=lambda: self.world.now)
        self.http = httpx.Client(transport=InThread(api.app), base_url=URL)

    def kill(self) -> None:
        """Kills the coordinator and starts another one."""
        self.http.close()
        self.world.kill()
        self.connect()

    def close(self) -> None:
        self.http.close()
        self.world.close()

    def simulate(self, count: int) -> None:
        """Adds simulated devices, which have learned nothing."""
        for _ in range(count):
            device = SimulatedDevice(self._nothing)
            self.enrol(device.key)
            self.devices.append(device)

    def _nothing(self, plan: Plan) -> tuple[Vector, ...]:
        learned = TrainingResult(np.zeros(self.length, np.float32), 10)
        return plan.terms.contribution(learned, np.random.default_rng(0))

    def enrol(self, key: Ed25519PrivateKey) -> None:
        code = self.world.coordinator.devices.invite(self.world.now)
        enrolment = Enrolment(code, device_name(key), sign_enrolment(key, code))
        self.world.coordinator.devices.enrol(enrolment, self.world.now)

    def open(self, **changes: Any) -> OpenRound:
        """Opens a round with changes to its plan."""
        rounds = self.world.coordinator.rounds
        rounds.schedule(1)
        while rounds.open_round is None:
            self.world.work()
            self.world.now += 1
        opened = rounds.open_round
        assert opened is not None
        assert isinstance(opened.plan, Plan)
        plan = replace(opened.plan, **changes)
        rules = rounds.settings.rules
        machine = Round(plan.round_name, rules, SecureSummation(plan, rules), self.world.now)
        rounds.open_round = OpenRound(opened.number, plan, machine)
        return rounds.open_round


class Keyboard:
    """A keyboard with words of its own that has joined. `restart` is what remains of it after a kill."""

    def __init__(self, coordinator: Coordinator, folder: Path, number: int, draw: Callable[[int], int]) -> None:
        self.shares = True  # whether it shares new words
        self.coordinator, self.folder, self.draw = coordinator, folder, draw
        self.model = load_model(coordinator.shipped)
        words = self.model.vocabulary.words[7:]
        rng = np.random.default_rng(number)
        self.texts = [f"i think {words[number]} is {words[rng.integers(len(words))]}." for _ in range(40)]
        folder.mkdir()
        self.lines: list[str] = []
        self._open()
        self.join()

    def join(self) -> None:
        key = Ed25519PrivateKey.generate()
        self.coordinator.enrol(key)
        self.membership.join(URL, self.coordinator.certificate, key)
        self.name = device_name(key)
        self._begin()

    def messages(self, model: Model) -> list[list[int]]:
        return [model.vocabulary.encode(text) for text in self.texts]

    def restart(self) -> None:
        self.membership._connection.close()  # what the kernel does for a killed process
        self._open()
        self._begin()

    def _open(self) -> None:
        self.membership = Membership.open(self.folder, Vault(bytes(32)))

    def _begin(self) -> None:
        joined = self.membership.joined
        assert joined is not None
        self.client = FederationClient(joined.url, joined.certificate, joined.key)
        self.connect()
        self.participant = Participant(
            self.client, self.membership, self.model, self.messages, self._adopt, draw=self.draw, words=self._words()
        )

    def _words(self) -> WordSource:
        return WordSource(lambda: self.shares, lambda: self.texts)

    def connect(self) -> None:
        """Reaches the coordinator, or the one that has taken its place."""
        self.client._http = self.coordinator.http

    def _adopt(self, model: Model) -> None:
        self.model = model

    def turn(self) -> str:
        line = result_of(self.participant.turn(wait=0))
        if line:
            self.lines.append(line)
        return line
