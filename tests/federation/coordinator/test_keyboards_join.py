"""Keyboards with LiteRT and their own words in secure rounds over TLS, and the links, models and updates that they refuse."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.corpus import JsonLines
from data.errors import DataError
from data.generators import result_of
from data.windows import pack, targets
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from federation.coordinator.round_machine import Rules
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.device_api import DeviceApi
from federation.protocol import api_messages
from federation.protocol.delta_encoding import flatten
from federation.protocol.join_link import JoinLink
from federation.protocol.round_terms import LOSS_STEPS, Terms, counts_of
from federation.protocol.secure_aggregation.modular_vectors import unpack
from federation.protocol.signed_requests import device_name, sign_enrolment
from federation.protocol.signed_session import SignedSession
from keyboard_app.device import Device
from keyboard_app.federating import headless
from keyboard_app.federating.client import FederationClient, RefusedError, UnreachableError
from keyboard_app.federating.federation import ASK_SECONDS, Standing
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.participant import Participant
from keyboard_app.federating.received_models import check_weights_of
from keyboard_app.federating.round_training import has_enough, learn
from keyboard_app.federating.steps import STEPS
from keyboard_app.learning.word_count import count_words
from keyboard_app.recording.vault import Vault
from model.device.folder import WEIGHTS, Model, load_model
from model.device.learning.finetuning import FineTuning, newest
from model.device.learning.gate import held_back_from
from model.device.trainable import trainable_shapes
from model.device.weights import digest, save_weights

HOW = FineTuning(passes=1, max_words=300)
DRAWN = 7  # by each keyboard, so that a test can repeat its training
SECONDS = 120
ROOT = Path(__file__).parents[3]
T = TypeVar("T")


class Recording:
    """An application that records all bytes that reach it, headers and addresses included, and forwards them to another."""

    def __init__(self, app) -> None:
        self.app, self.received = app, bytearray()
        self.answers: dict[str, bytes] = {}  # false answers, by the end of the address
        self.version: bytes | None = None  # a false version of the protocol in every answer
        self.answering = set[asyncio.Task]()  # of requests

    async def __call__(self, scope, receive, send) -> None:
        self.received += repr([scope.get(k) for k in ("raw_path", "query_string", "headers")]).encode()
        for end, answer in self.answers.items():
            if scope["type"] == "http" and scope["path"].endswith(end):
                version = (api_messages.VERSION_HEADER.encode(), b"%d" % api_messages.VERSION)
                await send({"type": "http.response.start", "status": 200, "headers": [version]})
                await send({"type": "http.response.body", "body": answer})
                return

        async def recorded():
            message = await receive()
            self.received += message.get("body", b"")
            return message

        async def answered(message) -> None:
            if message["type"] == "http.response.start" and self.version is not None:
                named = api_messages.VERSION_HEADER.encode()
                kept = [(name, value) for name, value in message["headers"] if name != named]
                message = message | {"headers": [*kept, (named, self.version)]}
            await send(message)

        task = asyncio.current_task()
        assert task is not None
        if scope["type"] == "http":
            self.answering.add(task)
        try:
            await self.app(scope, recorded, answered)
        finally:
            self.answering.discard(task)


class Federation(threading.Thread):
    """A coordinator on the small model, over TLS, in its own thread, with arithmetic in place of TFF."""

    def __init__(
        self,
        new_world: Callable,
        shipped: Path,
        terms: Terms,
        how: FineTuning = HOW,
        rules: Rules = Rules(3, 3, 1.0),  # noqa: B008 (a frozen dataclass)
    ) -> None:
        super().__init__(daemon=True)
        self._make = lambda: new_world(shipped, CoordinatorSettings(rules, how, backoff_seconds=0.1), terms)
        self._ready, self._stopped = threading.Event(), threading.Event()
        self._asked: list[Callable] = []
        self.start()
        assert self._ready.wait(SECONDS)

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.world = world = self._make()
        world.now = time.time()
        self.certificate = certificate(world.folder / "certificate.pem", "127.0.0.1")
        self._api = DeviceApi(world.coordinator)
        self.recording = Recording(self._api.app)
        path = self.certificate.path
        config = uvicorn.Config(self.recording, "127.0.0.1", 0, ssl_certfile=path, ssl_keyfile=path, log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self._ready.set()
        while not self._stopped.is_set():
            while self._asked:
                self._asked.pop(0)()
            world.now = time.time()
            world.work()
            self._api.wake()
            await asyncio.sleep(0.01)
        server.should_exit = True
        await serving
        world.close()

    def ask(self, function: Callable[[Any], T]) -> T:
        """Calls a function with the world (`conftest.World`), in the coordinator's thread; returns its result."""
        done, result = threading.Event(), list[T]()

        def act() -> None:
            result.append(function(self.world))
            done.set()

        self._asked.append(act)
        assert done.wait(SECONDS)
        return result[0]

    def restart(self) -> None:
        """Kills the coordinator, of which only the files on the disk remain, and starts another one at the same address."""

        def again(world: Any) -> None:
            world.kill()
            self._api = DeviceApi(world.coordinator)
            self.recording.app = self._api.app
            for answering in tuple(self.recording.answering):
                answering.cancel()

        self.ask(again)

    def link(self) -> JoinLink:
        code = self.ask(lambda world: world.coordinator.devices.invite(world.now))
        return JoinLink("127.0.0.1", self.port, str(code), self.certificate.sha256)

    def stop(self) -> None:
        self._stopped.set()
        self.join(SECONDS)


@pytest.fixture
def federation(new_world: Callable, small_model_folder: Path) -> Iterator[Federation]:
    shapes = load_model(small_model_folder).provenance.config.shapes
    length = sum(int(np.prod(shape)) for shape in shapes.values())
    made = Federation(new_world, small_model_folder, Terms(length, 4.0, HOW.max_words, 3, 16, 5, 1.0))
    yield made
    made.stop()


class Joined:
    """A keyboard that has joined the federation and learns from the words of one user."""

    def __init__(self, federation: Federation, folder: Path, model: Path, corpus: Path, user: str) -> None:
        folder.mkdir()
        self.membership = Membership.open(folder, Vault(bytes(32)))
        headless.join(self.membership, federation.link())
        joined = self.membership.joined
        assert joined is not None
        self.client = FederationClient(joined.url, joined.certificate, joined.key)
        self.messages = headless.corpus_messages(corpus, user)
        self.idle, self.adopted = True, list[Model]()
        adopt, idle = self.adopted.append, lambda: self.idle
        start = load_model(model)
        self.participant = Participant(
            self.client, self.membership, start, self.messages, adopt, idle, lambda _bits: DRAWN
        )

    def turn(self) -> str:
        return result_of(self.participant.turn(wait=0))

    def close(self) -> None:
        self.client.close()
        self.membership.close()


@pytest.fixture
def keyboards(
    federation: Federation, tmp_path: Path, small_model_folder: Path, corpus_file: Path
) -> Iterator[list[Joined]]:
    users = JsonLines(corpus_file).users()[:3]
    made = [Joined(federation, tmp_path / user, small_model_folder, corpus_file, user) for user in users]
    yield made
    for keyboard in made:
        keyboard.close()


def rounds(federation: Federation, keyboards: list[Joined], count: int) -> list[str]:
    federation.ask(lambda world: world.coordinator.rounds.schedule(count))
    lines, until = list[str](), time.monotonic() + SECONDS
    while any(sum(s.outcome == api_messages.COUNTED for s in k.membership.shared()) < count for k in keyboards):
        assert time.monotonic() < until, lines
        lines += [line for keyboard in keyboards if (line := keyboard.turn())]
    return lines


def test_keyboards_learn_together_and_none_of_their_words_reach_the_coordinator(
    federation: Federation, keyboards: list[Joined], corpus_file: Path, small_model_folder: Path, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    before = load_model(small_model_folder)
    rounds(federation, keyboards, 1)
    learned = [result_of(learn(before, keyboard.messages(before), HOW, seed=(1, DRAWN))) for keyboard in keyboards]
    mean = np.average([part.delta for part in learned], axis=0, weights=[min(p.words, HOW.max_words) for p in learned])
    shapes = before.provenance.config.shapes
    change = federation.ask(lambda world: world.weights()) - flatten(before.weights, shapes)
    assert np.linalg.norm(change - mean) < 0.02 * np.linalg.norm(mean)
    report = federation.ask(lambda world: json.loads(world.coordinator.store.rounds()[-1].report))
    assert report["tested"] == sum(part.tested for part in learned)
    for name, count in (("top1", "first"), ("top3", "among_three")):
        for moment in ("", "_after"):
            found = sum(getattr(part, count + moment) for part in learned)
            assert report[name + moment] == found / report["tested"]
    assert report["top3_after"] > report["top3"]  # weights that started at random improve
    card = federation.ask(lambda world: load_model(world.coordinator.rounds.newest_folder).card)
    assert f"{report['top3']:.1%} → {report['top3_after']:.1%}" in card and "1 round of `federate serve`" in card

    folder = federation.ask(lambda world: world.folder)
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in ("vocabulary.txt", "program.tflite")]
    kept = bytes(federation.recording.received) + b"".join(p.read_bytes() for p in files) + caplog.text.encode()
    corpus = JsonLines(corpus_file)
    words = {word for user in corpus.users()[:3] for text in corpus.messages(user) for word in text.strip(".").split()}
    long = {word for word in words if len(word) > 4}  # shorter ones occur in random bytes by chance
    assert len(long) > 5 and len(kept) > 50_000
    assert not [word for word in long if word.encode() in kept]

    (shared,) = keyboards[0].membership.shared()
    messages = keyboards[0].messages(before)
    learned_from = newest(messages[: held_back_from([len(message) for message in messages])], HOW.max_words)
    assert shared.words == count_words(learned_from, before.vocabulary), "without the ends of messages"
    assert shared.outcome == api_messages.COUNTED and shared.bytes > 2 * len(mean)


def test_a_keyboard_installs_the_new_model(federation: Federation, keyboards: list[Joined]) -> None:
    rounds(federation, keyboards, 1)
    keyboards[0].turn()
    (model,) = keyboards[0].adopted
    assert digest(model.weights) == federation.ask(lambda world: world.coordinator.rounds.model_digest)
    assert model.provenance.round == 1


def rows_of(keyboard: Joined, model: Model, seed: tuple[int, int]) -> np.ndarray:
    """Returns the rows that a keyboard trains on in a round, in order."""
    messages = keyboard.messages(model)
    older = messages[: held_back_from([len(message) for message in messages])]
    rows = pack(newest(older, HOW.max_words), model.provenance.config.window)
    return rows[np.random.default_rng(seed).permutation(len(rows))]


@pytest.mark.parametrize("trainable", ["all", "head"])
def test_a_round_over_keyboards_and_a_simulated_one_give_the_same_sum_and_the_same_model(
    new_world: Callable, tmp_path: Path, small_model_folder: Path, corpus_file: Path, tff_engine: None, trainable: str
) -> None:
    """With the same devices, words and seed: keyboards with LiteRT, masks and TLS on one side, TFF's `next` on the other.

    Summed deltas differ by the error of stochastic rounding, of root mean square sqrt(devices * entries) / (2 S) for each side
    (`federation.protocol.delta_encoding`), of which four are allowed, and by the last bits of LiteRT's arithmetic and
    TensorFlow's.
    """
    import tensorflow as tf

    from federation.aggregation.algorithms import Server
    from federation.aggregation.server_process import ServerProcess

    model = load_model(small_model_folder)
    config, server = model.provenance.config, Server("fedavg", 1.0)
    summation = SumSettings(16, cohort=3, clipping_norm=4.0, max_weight=HOW.max_words)
    how = replace(HOW, trainable=trainable)
    process = ServerProcess(config, model.weights, how, server, summation, Privacy(), seed=5, noise_seed=1)
    state = process.initialize()
    terms = process.prepare(state).terms
    federation = Federation(new_world, small_model_folder, terms, how)
    users = JsonLines(corpus_file).users()[:3]
    joined = [Joined(federation, tmp_path / user, small_model_folder, corpus_file, user) for user in users]
    totals: list[bytes] = []
    try:
        learn_from_sum = federation.ask(lambda world: world.learn)

        def keeping(number: int, total: bytes) -> dict:
            totals.append(total)
            return learn_from_sum(number, total)

        federation.ask(lambda world: setattr(world, "learn", keeping))
        rounds(federation, joined, 1)
        sent = [shared.bytes for keyboard in joined for shared in keyboard.membership.shared()]
    finally:
        for keyboard in joined:
            keyboard.close()
        federation.stop()
    summed, counted = unpack(terms.layout, totals[0])
    counts = counts_of(counted)

    rows = [rows_of(keyboard, model, seed=(1, DRAWN)) for keyboard in joined]
    datasets = [tf.data.Dataset.from_tensor_slices((r, r[:, 1:])).batch(config.batch) for r in rows]
    simulated = process.process.next(process.process.initialize(), datasets)
    trained = simulated.metrics["client_work"]["train"]
    assert counts["words"] == trained["words"] == sum(map(targets, rows))
    assert counts["loss"] / LOSS_STEPS / counts["words"] == pytest.approx(float(trained["loss"]), rel=1e-4)
    shapes = trainable_shapes(config, trainable)
    after = dict(zip(shapes, map(np.asarray, simulated.state.global_model_weights.trainable), strict=True))
    mean = flatten(after, shapes) - flatten({name: model.weights[name] for name in shapes}, shapes)
    share = counts["weight"] / HOW.max_words  # the sum is of deltas times weight / greatest weight
    rounding = np.sqrt(len(rows) * terms.encoding.padded) / (2 * float(terms.encoding.scale))
    tolerance = 4 * rounding + 1e-4
    assert np.linalg.norm(terms.encoding.decode(summed) - share * mean) < tolerance
    assert np.linalg.norm(share * mean) > 50 * tolerance

    updated, _ = process.update(state, (summed, counted))
    made = process.weights(updated)
    real = flatten({name: made[name] for name in shapes}, shapes)
    assert np.linalg.norm(real - flatten(after, shapes)) < tolerance / share
    for name in set(config.shapes) - set(shapes):
        np.testing.assert_array_equal(made[name], model.weights[name])
    for size in sent:
        assert size < 2 * terms.length + 5_000, "an update is as long as the trainable weights"


def test_a_keyboard_in_use_does_not_take_part(federation: Federation, keyboards: list[Joined]) -> None:
    federation.ask(lambda world: world.coordinator.rounds.schedule(1))
    keyboards[0].idle = False
    for _ in range(4):
        assert not [keyboard.turn() for keyboard in keyboards][0]  # noqa: RUF015 (every keyboard takes a turn)
    assert federation.ask(lambda world: world.coordinator.rounds.current.stage) == "selection"
    keyboards[0].idle = True
    while not keyboards[0].participant.busy:
        [keyboard.turn() for keyboard in keyboards]
    keyboards[0].idle = False  # a keyboard that is used again leaves before it sends its update
    lines = [keyboard.turn() for _ in range(6) for keyboard in keyboards]
    assert any("you are typing" in line for line in lines)
    assert not keyboards[0].membership.shared()


def test_a_selected_keyboard_waits_for_the_round_and_withdraws_if_it_is_used(
    federation: Federation, keyboards: list[Joined]
) -> None:
    federation.ask(lambda world: world.coordinator.rounds.schedule(1))
    first = keyboards[0]
    while not first.participant.busy:
        first.turn()
    assert first.participant.step == api_messages.WAIT
    first.idle = False
    first.turn()
    assert (first.participant.busy, first.participant.step) == (False, "")
    assert federation.ask(lambda world: len(world.coordinator.rounds.current.expected)) == 0


# Changes to a plan, or texts in its place, that a coordinator could send; each stands for a kind of harm.
HOSTILE_PLANS: dict[str, dict | str] = {
    "a seed below 0": {"seed": -1},
    "a subnormal clipping norm": {"terms": {"clipping_norm": 1e-40}},
    "a huge clipping norm": {"terms": {"clipping_norm": 1e300}},
    "noise that underflows": {"max_weight": 1, "terms": {"max_weight": 1, "private": True, "noise_stddev": 1e-200}},
    "not a number": {"learning_rate": float("nan")},
    "endless training": {"passes": 10**9},
    "all words": {"max_words": 10**18},
    "a huge vector": {"terms": {"length": 2**40}},
    "a vector of another length": {"terms": {"length": 17}},
    "many bits": {"terms": {"bits": 64}},
    "a huge seed of the rotation": {"terms": {"seed": 2**4000}},
    "an address as a name": {"round_name": "../../../v1/departure?"},
    "another vocabulary": {"vocabulary_sha256": "0" * 64},
    "another model": {"model": "0" * 64},
    "nested too deeply": '{"round_name": ' + "[" * 500 + "]" * 500 + "}",
    "nested far too deeply": "[" * 200_000,
    "a number too long": "[" + "9" * 200_000 + "]",
    "a name repeated": '{"a": 1, "a": 2}',
    "no text": "\udcff",
}


def _let_everybody_back(world: Any) -> None:
    for device in world.coordinator.store.members.ids():
        if world.coordinator.rounds.conduct.left_out(device, world.now) is not None:
            world.coordinator.devices.let_back(device, world.now)


def test_a_hostile_plan_costs_a_keyboard_that_round_and_no_other(
    federation: Federation, keyboards: list[Joined]
) -> None:
    for kind, change in HOSTILE_PLANS.items():
        federation.ask(lambda world: world.coordinator.rounds.schedule(1))
        until = time.monotonic() + SECONDS
        while (opened := federation.ask(lambda world: world.coordinator.rounds.open_round)) is None:
            assert time.monotonic() < until, (
                kind,
                federation.ask(lambda world: world.coordinator.store.events.errors(3)),
            )
            time.sleep(0.02)
        plan = json.loads(opened.plan.to_json())
        if isinstance(change, dict):
            terms = plan["terms"] | change.get("terms", {})
            change = json.dumps(plan | change | {"terms": terms})
        federation.recording.answers["/plan"] = change.encode(errors="surrogateescape")
        lines = list[str]()
        while not any(keyboard.participant.busy for keyboard in keyboards):
            assert time.monotonic() < until, (
                kind,
                federation.ask(lambda world: world.coordinator.store.events.errors(3)),
            )
            lines += [line for keyboard in keyboards if (line := keyboard.turn())]
        while any(keyboard.participant.busy for keyboard in keyboards):
            assert time.monotonic() < until, kind
            lines += [line for keyboard in keyboards if (line := keyboard.turn())]
        assert any(line.startswith("left the round: ") for line in lines), (kind, lines)
        assert all(len(line) < 300 and line.isprintable() for line in lines), (kind, lines)
        federation.ask(lambda world: world.coordinator.rounds.stop(world.now))
        federation.ask(_let_everybody_back)  # what keyboards answered to a changed plan was wrong for the real one
        federation.recording.answers.clear()
    assert not any(keyboard.membership.shared() for keyboard in keyboards)
    rounds(federation, keyboards, 1)


@pytest.mark.parametrize(
    "answer", ["[" * 100_000, '{"task": "keys"}', "null", "\udcff", "CALL" + 2**20 * "x"], ids=range(5)
)
def test_a_hostile_call_is_refused_in_one_line(answer: str, federation: Federation, keyboards: list[Joined]) -> None:
    federation.recording.answers["/check-in"] = answer.encode(errors="surrogateescape")
    with pytest.raises(DataError) as refused:
        keyboards[0].turn()
    assert len(str(refused.value)) < 300
    federation.recording.answers.clear()
    rounds(federation, keyboards, 1)


def test_keyboards_and_coordinators_of_other_versions_refuse_each_other_in_one_line(
    federation: Federation, keyboards: list[Joined], tmp_path: Path
) -> None:
    """A refused keyboard may use its join link again after an update."""
    link = federation.link()
    with Membership.open(tmp_path, Vault(bytes(32))) as membership:
        ours = api_messages.VERSION
        others = ((1, "keyboard"), (ours - 1, "keyboard"), (ours + 1, "coordinator"))  # version 1 named none
        for keyboard, update in others:
            own = {api_messages.VERSION_HEADER: str(keyboard)} if keyboard > 1 else {}
            line = (
                f"this keyboard speaks version {keyboard} of the federation's protocol and its coordinator version {ours}: "
                f"update the {update}"
            )
            joined = keyboards[0].membership.joined
            assert joined is not None
            session = SignedSession(joined.key)
            headers = session.begin("POST", "/v1/check-in").sign()
            del headers[api_messages.VERSION_HEADER]
            key = Ed25519PrivateKey.generate()
            enrolment = api_messages.Enrolment(link.code, device_name(key), sign_enrolment(key, link.code)).to_json()
            with httpx.Client(base_url=link.url, verify=False) as http:  # noqa: S501 (the server is this test's own)
                for path, content, signed in (("check-in", "{}", headers), ("devices", enrolment, {})):
                    answer = http.post(f"/v1/{path}", content=content, headers=signed | own)
                    assert answer.status_code == api_messages.OTHER_VERSION and answer.json()["error"] == line
        newer = str(ours + 1).encode()
        for version, update in ((b"1", "coordinator"), (newer, "keyboard"), (b"9" * 999, "coordinator")):
            federation.recording.version = version
            with pytest.raises(RefusedError, match=f"update the {update}$"):
                headless.join(membership, link)
            with pytest.raises(RefusedError, match=f"update the {update}$"):
                keyboards[0].turn()
        federation.recording.version = None
        headless.join(membership, link)


def test_a_join_link_is_pinned_to_its_coordinator(federation: Federation, tmp_path: Path) -> None:
    with Membership.open(tmp_path, Vault(bytes(32))) as membership:
        with pytest.raises(DataError, match="is not the coordinator of this join link"):
            headless.join(membership, replace(federation.link(), sha256="0" * 64))
        with pytest.raises(RefusedError, match="not one of the coordinator's"):
            headless.join(membership, replace(federation.link(), code="A" * 20))
        with pytest.raises(UnreachableError, match="no coordinator answers"):
            headless.join(membership, replace(federation.link(), port=9))
        assert membership.joined is None
        headless.join(membership, federation.link())
        with pytest.raises(DataError, match="already"):
            headless.join(membership, federation.link())
        assert headless.leave(membership) == "left the federation"
        assert membership.joined is None


def test_a_keyboard_with_too_few_words_says_so_and_is_not_selected(
    federation: Federation, keyboards: list[Joined]
) -> None:
    lacking = keyboards[0]
    model = lacking.participant.model
    some = lacking.messages(model)[:2]
    lacking.participant._messages = lambda model: some
    assert not has_enough([len(message) for message in some])
    with pytest.raises(DataError, match="too few words"):
        result_of(learn(model, some, HOW, seed=0))
    federation.ask(lambda world: world.coordinator.rounds.schedule(1))
    for _ in range(3):
        [keyboard.turn() for keyboard in keyboards]
    assert not lacking.participant.busy and "too few words to take part" in lacking.participant.note
    assert federation.ask(lambda world: len(world.coordinator.rounds.current.cohort)) == 2
    more = lacking.messages(model)
    lacking.participant._messages = lambda model: more
    until = time.monotonic() + SECONDS
    while not lacking.participant.busy:  # once it has written more
        assert time.monotonic() < until
        lacking.turn()
    assert not lacking.participant.note


def test_a_keyboard_that_was_removed_says_so_and_can_leave(
    federation: Federation, keyboards: list[Joined], tmp_path: Path, small_model_folder: Path
) -> None:
    joined = keyboards[0].membership.joined
    assert joined is not None
    name = device_name(joined.key)
    federation.ask(lambda world: world.coordinator.devices.leave(name, world.now, removed=True))
    with pytest.raises(RefusedError, match="this federation removed this keyboard"):
        keyboards[0].turn()
    assert headless.leave(keyboards[0].membership) == "left the federation, which had removed this keyboard"
    with Device.open(tmp_path / "app", small_model_folder) as device:
        device.federation.join(str(federation.link()))
        device.federation.background.wait()
        membership = device.federation.standing().joined
        assert membership is not None
        name = device_name(membership.key)
        federation.ask(lambda world: world.coordinator.devices.leave(name, world.now, removed=True))
        device.federation.take_part()
        with pytest.raises(RefusedError):
            device.federation.background.wait()
        latest = device.federation.latest
        assert latest is not None and latest.removed and latest.line.startswith("this federation removed this keyboard")


def test_another_coordinator_at_the_same_address_is_refused(
    federation: Federation, tmp_path: Path, keyboards: list[Joined]
) -> None:
    joined = keyboards[0].membership.joined
    assert joined is not None
    other = certificate(tmp_path / "other.pem", "127.0.0.1").path.read_text()
    client = FederationClient(joined.url, other, joined.key)
    with client, pytest.raises(UnreachableError, match="another server answers at"):
        client.check_in("0" * 64, "", 0)


def test_weights_other_than_those_named_are_refused(small_model_folder: Path, tmp_path: Path) -> None:
    model = load_model(small_model_folder)
    content = (small_model_folder / WEIGHTS).read_bytes()
    wanted = digest(model.weights), model.vocabulary.sha256, model.provenance.config
    assert check_weights_of(content, *wanted)[1] == model.provenance

    def changed(**arrays: np.ndarray) -> bytes:
        save_weights(tmp_path / "changed", model.weights | arrays, model.provenance)
        return (tmp_path / "changed").read_bytes()

    name, array = next(iter(model.weights.items()))
    other = model.provenance.vocabulary_sha256[:-1] + ("0" if model.provenance.vocabulary_sha256[-1] != "0" else "1")
    save_weights(tmp_path / "other", model.weights, replace(model.provenance, vocabulary_sha256=other))
    save_weights(tmp_path / "control", model.weights, replace(model.provenance, vocabulary_sha256="\x1b[2J"))
    for number in (-1, 10**4000):
        save_weights(tmp_path / str(number)[:9], model.weights, replace(model.provenance, round=number))
    for bad, reason in (
        (changed(**{name: array + 1}), "other weights than it named"),
        (changed(**{name: array * np.nan}), "not finite"),
        (changed(**{name: array[1:]}), "has shape"),
        (content[:-10], "damaged"),
        ((tmp_path / "other").read_bytes(), "another vocabulary"),
        ((tmp_path / "control").read_bytes(), "another vocabulary"),
        ((tmp_path / "-1").read_bytes(), "a round that cannot have made them"),
        ((tmp_path / "100000000").read_bytes(), "a round that cannot have made them"),
    ):
        with pytest.raises(DataError, match=reason) as refused:
            check_weights_of(bad, *wanted)
        assert str(refused.value).isprintable() and len(str(refused.value)) < 300


def test_an_update_that_is_not_finite_never_leaves_the_device(small_model_folder: Path, corpus_file: Path) -> None:
    model = load_model(small_model_folder)
    user = JsonLines(corpus_file).users()[0]
    training = learn(model, headless.corpus_messages(corpus_file, user)(model), FineTuning(1e30, 1e30, 3, 300), seed=0)
    result = result_of(training)
    assert result.words == 0 and not result.delta.any(), "zeros do not tell whose words made it diverge"


def test_the_app_takes_part_when_it_is_not_used(
    federation: Federation, keyboards: list[Joined], tmp_path: Path, small_model_folder: Path, corpus_file: Path
) -> None:
    keyboards.pop().close()  # a round of three: two here, and the app
    corpus = JsonLines(corpus_file)
    with Device.open(tmp_path / "app", small_model_folder) as device:
        for text in corpus.messages(corpus.users()[4]):
            device.profile.store.add_message(text, [])
        assert device.federation.standing() == Standing()
        device.federation.join(str(federation.link()))
        assert "you have joined the federation at 127.0.0.1" in str(device.federation.background.wait())
        rested, now = 100.0, 1e6

        def begins(charging: bool | None = None) -> bool:
            device.take_part_if_due(lambda: rested, charging, now)
            return device.federation.background.task is not None

        assert not begins()  # nobody has agreed to recording
        device.choose(consent=True)
        rested = 0.0
        assert not begins()  # it is in use
        rested = 100.0
        assert not begins(charging=False)  # it runs on its battery
        device.private = True
        assert not begins()
        device.private = False
        device.choose(take_part=False)
        assert not begins()
        device.choose(take_part=True)
        federation.ask(lambda world: world.coordinator.rounds.schedule(1))
        until, seen = time.monotonic() + SECONDS, set()
        learned = False
        while not device.federation.standing().shared or device.federation.background.task is not None:
            assert time.monotonic() < until
            begins()
            if (taking := device.federation.round_going_on) is not None:
                seen.add(taking.step)
                if not learned:
                    device.learn()  # a round leaves learning possible
                    learned = "learned from" in str(device.background.wait())
                assert device.federation.background.task is taking
            [keyboard.turn() for keyboard in keyboards]
            device.federation.background.poll()
            now += ASK_SECONDS
        assert learned and seen and seen <= set(STEPS)
        while not device.profile.mailbox.released():  # the model of that round, at the next request
            assert time.monotonic() < until
            begins()
            device.federation.background.wait()
            now += ASK_SECONDS
        assert device.federation.latest is not None
        assert device.federation.latest.line == "received a newer shared model"
        assert begins()
        device.federation.background.wait()
        assert device.federation.latest.line == "", "it waits to be installed, and is not fetched again"
        (shared,) = device.federation.standing().shared
        assert (shared.outcome, shared.clipped) == (api_messages.COUNTED, False)
        assert shared.words > 100 and shared.bytes > 5_000
        assert federation.ask(lambda world: len(world.coordinator.store.counted(1))) == 3


# A run of `keyboard device` in which packages that a device does not have cannot be imported.
WITHOUT = """if True:
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("tensorflow", "tensorflow_federated", "keras", "kivy", "fastapi", "nicegui"):
                raise ImportError(f"{name} is not on a device")

    sys.meta_path.insert(0, Absent())
    from keyboard_app.cli import main
    sys.exit(main(sys.argv[1:]))
"""


def test_a_keyboard_process_takes_part_without_tensorflow_and_leaves(
    federation: Federation, tmp_path: Path, small_model_folder: Path, corpus_file: Path, keyboards: list[Joined]
) -> None:
    user, profile = JsonLines(corpus_file).users()[3], tmp_path / "alone"
    options = ("--profile", str(profile), "--model", str(small_model_folder))
    words = ("--corpus", str(corpus_file), "--user", user)
    command = [sys.executable, "-c", WITHOUT, "device", *options]
    keyboards.pop().close()  # a round of three: two here, and that process
    with subprocess.Popen(
        [*command, *words, "--join", str(federation.link())], cwd=ROOT, stderr=subprocess.PIPE
    ) as alone:
        try:
            rounds(federation, keyboards, 1)
            names = federation.ask(lambda world: world.coordinator.store.counted(1))
            assert len(names) == 3
        finally:
            alone.kill()
    left = subprocess.run([*command, "--leave"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert left.returncode == 0 and "left the federation" in left.stderr
    again = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "belongs to no federation" in again.stderr
    assert sum(d.gone is not None for d in federation.ask(lambda world: world.coordinator.store.members.devices())) == 1
