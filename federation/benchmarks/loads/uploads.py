"""The coordinator's processing of masked updates of the real model's size, next to NumPy's addition of such arrays.

The rounds are real, with devices that mask random numbers, but without TensorFlow and the network. The running server's code is
measured from two entry points:

- `SecureSummation.receive`, which checks a whole message, unpacks it and adds it to the sum;
- the API, called through ASGI: signature, body in pieces, digest, and `SecureSummation.receive`.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data.errors import DataError
from federation.benchmarks.loads.postgres_server import is_installed, postgres_server
from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.benchmarks.measuring import Figure, in_turn, ratios
from federation.coordinator.cluster.leader import ClusterLeader
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.learner.messages import NextRound
from federation.coordinator.round_machine import Round, Rules, Stage
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.storage.lease import Lease
from federation.coordinator.store import CoordinatorStore
from federation.coordinator.web.device_api import DeviceApi
from federation.protocol.api_messages import CheckIn, Plan
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.messages import MaskedInput
from federation.protocol.secure_aggregation.modular_vectors import Vector, unpack
from federation.protocol.signed_requests import sign
from model.device.config import ModelConfig, parameters
from model.device.folder import save_model

_DEVICES = 12
_PIECE = 2**16  # bytes that a server reads at a time
_COHORT = 256  # maximum number of devices in a sum of 16 bits


def measure_uploads(repeats: int, config: ModelConfig | None = None) -> tuple[list[Figure], dict[str, Any]]:
    """Returns figures in gigabytes per second, and the sizes of the updates, by default those of the shipped model."""
    config = config or ModelConfig()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="uploads-")))
        uploads = _Uploads(folder / "alone", config)
        opened.callback(uploads.coordinator.close)
        names = ("numpy", "sums", "digest", "api")
        measures: dict[str, Callable[[], float]] = {name: getattr(uploads, name) for name in names}
        if is_installed():
            url = opened.enter_context(postgres_server(durable=True)).new_database()
            clustered = _Uploads(folder / "cluster", config, url)
            opened.callback(clustered.coordinator.close)
            measures["api_cluster"] = clustered.api
        found = in_turn(measures, repeats)
    to_numpy = {name: ratios(found[name], found["numpy"]) for name in ("sums", "api")}
    figures = [
        Figure("numpy", "NumPy adds 16-bit arrays in place", "GB/s", found["numpy"]),
        Figure(
            "sums", "the coordinator checks and unpacks masked updates and adds them to the sum", "GB/s", found["sums"]
        ),
        Figure("sums_to_numpy", "ratio of the coordinator to NumPy", "", to_numpy["sums"], "at least 0.5", ratio=True),
        Figure("digest", "SHA-256 of masked updates, which their signatures need", "GB/s", found["digest"]),
        Figure("api", "the whole API call: signature, body, digest, sum", "GB/s", found["api"]),
        Figure("api_to_numpy", "ratio of the API call to NumPy", "", to_numpy["api"], ratio=True),
    ]
    if "api_cluster" in found:
        what = "the same in a cluster, with the sum stored in PostgreSQL after each update"
        figures.append(Figure("api_cluster", what, "GB/s", found["api_cluster"]))
    return figures, {"weights": uploads.terms.length, "bits": uploads.terms.bits, "update_bytes": uploads.size}


class _Uploads:
    """A coordinator and devices; each measurement processes the masked updates of one round and returns GB/s."""

    def __init__(self, folder: Path, config: ModelConfig, database: str | None = None) -> None:
        """Begins a federation; with the address of a `database`, that of a cluster."""
        save_model(folder / "model", untrained_model(config))
        self.terms = Terms(parameters(config), 1.0, 1, _COHORT, bits=16, seed=0)
        settings = CoordinatorSettings(Rules(_DEVICES, _DEVICES, over_selection=1.0), backoff_seconds=0.0)
        self.coordinator = _coordinator(folder, settings, database)
        self.coordinator.rounds.prepared(NextRound(self.terms, exhausted="", spent=None, promise="", unmasked=0))
        self._api = DeviceApi(self.coordinator)
        self._devices = [SimulatedDevice(self._vectors) for _ in range(_DEVICES)]
        for device in self._devices:
            self.coordinator.devices.enrol(
                device.enrolment(self.coordinator.devices.invite(steady_time())), steady_time()
            )
        self._numbers = 0
        _, self._messages = self._round()
        self.coordinator.rounds.stop(steady_time())
        self.size = len(next(iter(self._messages.values())))
        packed = (MaskedInput.from_bytes(message).packed for message in self._messages.values())
        self._arrays = [unpack(self.terms.layout, part)[0].copy() for part in packed]

    def numpy(self) -> float:
        """Adds the arrays without a coordinator."""
        total = np.zeros_like(self._arrays[0])
        began = time.perf_counter()
        for array in self._arrays:
            np.add(total, array, out=total)
        return sum(array.nbytes for array in self._arrays) / (time.perf_counter() - began) / 1e9

    def sums(self) -> float:
        """Adds the messages to the coordinator's sum."""
        opened, messages = self._round()
        began = time.perf_counter()
        for name, message in messages.items():
            opened.secure.receive(Stage.REPORTING, name, message)
        seconds = time.perf_counter() - began
        self.coordinator.rounds.stop(steady_time())
        return self.size * _DEVICES / seconds / 1e9

    def digest(self) -> float:
        """Hashes the messages."""
        began = time.perf_counter()
        for message in self._messages.values():
            hashlib.sha256(message).digest()
        return self.size * _DEVICES / (time.perf_counter() - began) / 1e9

    def api(self) -> float:
        """Uploads the messages of a new round through the API."""
        opened, messages = self._round()
        path = f"/v1/rounds/{opened.name}/reporting"
        self._numbers += 1
        requests = [self._request(device, path, messages[device.name]) for device in self._devices]
        seconds = asyncio.run(self._upload(requests))
        self.coordinator.rounds.stop(steady_time())
        return self.size * _DEVICES / seconds / 1e9

    def _vectors(self, plan: Plan) -> tuple[Vector, ...]:
        rng = np.random.default_rng(0)
        return tuple(
            rng.integers(0, 2**segment.bits, segment.length, np.uint64).astype(segment.dtype)
            for segment in plan.terms.layout
        )

    def _round(self) -> tuple[Round, dict[str, bytes]]:
        """Runs a new round up to its masked updates; returns the round and the updates by device."""
        now, vocabulary = steady_time(), self.coordinator.rounds.model.vocabulary.sha256
        self.coordinator.rounds.schedule(1)
        self.coordinator.tick(now)
        for device in self._devices:
            device.forget()
            self.coordinator.devices.check_in(device.name, CheckIn(vocabulary, ""), now)
        opened = self.coordinator.rounds.current
        assert opened is not None  # noqa: S101
        for stage in (Stage.KEYS, Stage.SHARES, Stage.REPORTING):
            messages: dict[str, bytes] = {}
            for device in self._devices:
                if stage == Stage.KEYS:
                    device.begin(self.coordinator.devices.plan(device.name, opened.name, now))
                needed = self.coordinator.devices.needs(device.name, opened.name, stage, now)
                messages[device.name] = device.message(stage, needed)
            if stage != Stage.REPORTING:
                for name, message in messages.items():
                    self.coordinator.devices.give(name, opened.name, stage, message, now)
        return opened, messages

    def _request(self, device: SimulatedDevice, path: str, message: bytes) -> tuple[dict[str, Any], list[bytes]]:
        signed = sign(device.key, self.coordinator.session, self._numbers, "POST", path, message)
        headers = signed.to_headers() | {"content-length": str(len(message))}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        return scope, [message[at : at + _PIECE] for at in range(0, len(message), _PIECE)]

    async def _upload(self, requests: list[tuple[dict[str, Any], list[bytes]]]) -> float:
        began = time.perf_counter()
        for scope, pieces in requests:
            answers: list[Any] = []
            await self._api.app(scope, _giving(pieces), _keeping(answers))
            if answers[0]["status"] != 204:
                raise DataError(f"the coordinator answered a masked update with {answers[0]['status']}")
        return time.perf_counter() - began


def _giving(pieces: list[bytes]) -> Callable[[], Awaitable[Any]]:
    """Returns the ASGI function that yields a body in pieces."""
    messages = iter([{"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces])

    async def receive() -> Any:
        return next(messages)

    return receive


def _keeping(answers: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def send(message: Any) -> None:
        answers.append(message)

    return send


def _coordinator(folder: Path, settings: CoordinatorSettings, database: str | None) -> Coordinator:
    at, model = folder / "coordinator", folder / "model"
    if database is None:
        return Coordinator(at, model, settings, SecureSummation, steady_time())
    with closing(CoordinatorStore.of(at, database)) as store:
        lease = Lease.take(store.database)
    if lease is None:
        raise DataError("another process leads the federation in a new database")
    return ClusterLeader(at, model, settings, steady_time(), database, lease)
