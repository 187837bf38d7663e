"""Keyboard processes are killed in each stage of both sums of a word discovery, and so is the coordinator.

What happens to words whose device dies between their record and their message: the record comes first, so that no word ever
leaves without one. The restarted keyboard asks for the outcome. The words did not count, and it offers them in the next discovery.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import text

from federation.coordinator.round_machine import Rules, Stage
from federation.coordinator.words import discoveries
from federation.coordinator.words.discovery_store import FOUND, DiscoveryTerms
from federation.protocol.api_messages import COUNTED
from federation.protocol.discovery.round_plans import COUNT, REVEAL
from federation.protocol.discovery.word_counts import CountTerms, bucket_of
from federation.protocol.round_terms import Terms
from federation.protocol.signed_requests import device_name
from keyboard_app.federating.membership import Membership, SharedUpdate
from keyboard_app.federating.membership_schema import SENT
from keyboard_app.recording.user_profile import read_vault
from model.device.folder import load_model
from tests.federation.coordinator.test_keyboards_join import ROOT, SECONDS, Federation
from tests.federation.coordinator.word_devices import WordDevice, WordWorld

# Each keyboard dies at one point of the first sum, or of the second one, or of both.
DEATHS = {
    "ann": [f"{COUNT} {Stage.KEYS} after"],
    "bob": [f"{COUNT} {Stage.SHARES} after"],
    "cy": [f"{COUNT} {Stage.REPORTING} before"],
    "dee": [f"{COUNT} {Stage.REPORTING} after", f"{REVEAL} {Stage.KEYS} after"],
    "eve": [f"{COUNT} {Stage.CONSISTENCY} after", f"{REVEAL} {Stage.SHARES} after"],
    "fay": [f"{COUNT} {Stage.UNMASKING} before", f"{REVEAL} {Stage.REPORTING} before"],
    "gus": [f"{REVEAL} {Stage.REPORTING} after"],
    "hal": [f"{REVEAL} {Stage.CONSISTENCY} after"],
    "ivy": [f"{REVEAL} {Stage.UNMASKING} before"],
}
SURVIVORS = 6  # simulated devices
TERMS = DiscoveryTerms(3, counts=CountTerms(2**12))


def seed_without_collisions(bits: int) -> int:
    """Draws seeds of the buckets until each word has a bucket of its own; otherwise a word of one person may be revealed."""
    words = ["byu", "provo", *(f"{name}zorp" for name in DEATHS)]
    while True:
        seed = secrets.randbits(bits)
        if len({bucket_of(word, replace(TERMS.counts, seed=seed)) for word in words}) == len(words):
            return seed


class Keyboards:
    """The keyboard processes, started again whenever one was killed."""

    def __init__(self, folder: Path, model: Path, corpus: Path) -> None:
        self.folder, self._common = folder, ("--model", str(model), "--corpus", str(corpus))
        self._deaths = {name: list(points) for name, points in DEATHS.items()}
        command = [sys.executable, str(Path(__file__).with_name("forked_keyboards.py"))]
        self._parent = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._running: dict[str, int] = {}
        self._when: dict[str, str] = {}
        self.starts = Counter[str]()

    def start(self, name: str, link: str = "") -> None:
        assert self._parent.stdin is not None and self._parent.stdout is not None
        when = self._deaths[name].pop(0) if self._deaths[name] else ""
        joining = ("--join", link) if link else ()
        arguments = (when, "device", "--profile", str(self.folder / name), *self._common, "--user", name, *joining)
        self._parent.stdin.write(json.dumps(arguments) + "\n")
        self._parent.stdin.flush()
        self._running[name] = int(self._parent.stdout.readline())
        self.starts[name], self._when[name] = self.starts[name] + 1, when

    def dies_in(self, kind: str, stage: str) -> bool:
        """Returns whether a running keyboard is to die in a stage of a sum."""
        return any(when.startswith(f"{kind} {stage} ") for when in self._when.values())

    def restart_the_dead(self) -> None:
        for name, process in self._running.items():
            if not Path(f"/proc/{process}").exists():
                self.start(name)

    def shared(self, name: str) -> tuple[str, list[SharedUpdate]]:
        """Returns the device's name in its federation, and what "What you shared" lists."""
        with Membership.open(self.folder / name, read_vault(self.folder / name)) as membership:
            assert membership.joined is not None
            return device_name(membership.joined.key), membership.shared()

    def close(self) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate()


@pytest.fixture
def federation(tmp_path: Path, small_model_folder: Path) -> Iterator[Federation]:
    shapes = load_model(small_model_folder).provenance.config.shapes
    length = sum(int(np.prod(shape)) for shape in shapes.values())
    rules = Rules(3, len(DEATHS) + SURVIVORS, 1.0, *[60.0] * 7)
    made = Federation(
        lambda *arguments: WordWorld(tmp_path / "coordinator", *arguments),
        small_model_folder,
        Terms(length, 4.0, 300, len(DEATHS) + SURVIVORS, 16, 5, 1.0),
        rules=rules,
    )
    yield made
    made.stop()


@pytest.fixture
def keyboards(federation: Federation, tmp_path: Path, small_model_folder: Path) -> Iterator[Keyboards]:
    corpus = tmp_path / "words.jsonl"
    texts = ("i think byu is provo.", "i think {own} is.", "i think it is.")
    lines = [
        json.dumps({"user": user, "time": f"{n:02}", "text": texts[n % 3].format(own=f"{user}zorp")}) + "\n"
        for user in DEATHS
        for n in range(12)
    ]
    corpus.write_text("".join(lines))
    made = Keyboards(tmp_path, small_model_folder, corpus)
    yield made
    made.close()


def discover(
    federation: Federation,
    keyboards: Keyboards,
    on_stage: Callable[[str, str], None] = lambda k, s: None,
    awaited: Callable[[str, str], bool] = lambda k, s: False,
):
    """Runs a discovery to its end, and until each keyboard knows what became of its words; returns it.

    `on_stage` is called in stages; one that is `awaited` lasts until it was called there.
    """
    federation.ask(lambda world: world.coordinator.rounds.discover_words(TERMS, world.now))
    until = time.monotonic() + SECONDS * 5

    def turn(world: WordWorld) -> tuple[bool, str, str]:
        newest, current = world.coordinator.rounds.discoveries.newest, world.coordinator.rounds.current
        assert newest is not None
        stage = "" if current is None else current.stage
        for device in world.devices:
            # Without the simulated devices no stage ends: they wait, also until a keyboard has died as it unmasks the sum.
            dies = stage == Stage.UNMASKING and keyboards.dies_in(newest.state, stage)
            if not dies and not (stage == Stage.CONSISTENCY and awaited(newest.state, stage)):
                world.step(device)
                current = world.coordinator.rounds.current
                stage = "" if current is None else current.stage
        return newest.going_on, newest.state, stage

    going_on = True
    while going_on:
        assert time.monotonic() < until, federation.ask(lambda world: world.coordinator.store.events.newest(9))
        going_on, kind, stage = federation.ask(turn)
        on_stage(kind, stage)
        keyboards.restart_the_dead()
        time.sleep(0.02)
    while any(one.outcome == SENT for name in DEATHS for one in keyboards.shared(name)[1]):
        assert time.monotonic() < until
        keyboards.restart_the_dead()
        time.sleep(0.1)
    return federation.ask(lambda world: world.coordinator.rounds.discoveries.newest)


def check_records(federation: Federation, keyboards: Keyboards) -> dict[str, dict[str, set[str]]]:
    """Checks what keyboards list as shared against the coordinator's sums; returns the words that counted, by sum and keyboard."""
    rows = federation.ask(lambda world: world.coordinator.store.rows(text("SELECT number, name, state FROM rounds")))
    numbers = {name: number for number, name, _ in rows}
    sums = federation.ask(lambda world: {name: world.coordinator.store.counted(n) for name, n in numbers.items()})
    states = {name: state for _, name, state in rows}
    counted: dict[str, dict[str, set[str]]] = {COUNT: {}, REVEAL: {}}
    for keyboard in DEATHS:
        device, shared = keyboards.shared(keyboard)
        for one in shared:
            is_in_sum = states[one.round_name] == "committed" and device in sums[one.round_name]
            assert (one.outcome == COUNTED) == is_in_sum, (keyboard, one)
        listed = {one.round_name for one in shared}
        assert {name for name in sums if states[name] == "committed" and device in sums[name]} <= listed, keyboard
        for kind in (COUNT, REVEAL):
            offers = [one.offered for one in shared if one.offered is not None and one.outcome == COUNTED]
            words = [word for offered in offers if offered.kind == kind for word in offered.words]
            assert len(set(words)) == len(words), (keyboard, kind, "a word counted twice")
            counted[kind][keyboard] = set(words)
        assert counted[REVEAL][keyboard] <= counted[COUNT][keyboard] & {"byu", "provo"}
    return counted


def test_no_word_is_counted_twice_and_none_is_lost_from_the_record(
    federation: Federation, keyboards: Keyboards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discoveries, "secrets", SimpleNamespace(randbits=seed_without_collisions))
    for name in DEATHS:
        keyboards.start(name, str(federation.link()))
    federation.ask(lambda world: world.add(*[WordDevice(["byu"]) for _ in range(SURVIVORS)]))
    until = time.monotonic() + SECONDS
    while federation.ask(lambda world: len(world.coordinator.store.members.devices())) < len(DEATHS) + SURVIVORS:
        assert time.monotonic() < until
        time.sleep(0.05)
    killed = set[tuple[str, str]]()

    def kill_the_coordinator(kind: str, stage: str) -> None:
        """Kills it once in each sum, when keyboards have died in it."""
        if stage == Stage.CONSISTENCY and not killed & {(kind, stage)}:
            killed.add((kind, stage))
            federation.restart()

    def to_be_killed(kind: str, stage: str) -> bool:
        return (kind, stage) not in killed

    found = discover(federation, keyboards, kill_the_coordinator, to_be_killed)
    assert found.state == FOUND, found.note
    assert killed == {(COUNT, Stage.CONSISTENCY), (REVEAL, Stage.CONSISTENCY)}
    assert keyboards.starts == {name: len(points) + 1 for name, points in DEATHS.items()}, "all died as planned"
    counted = check_records(federation, keyboards)
    revealed = Counter(word for words in counted[REVEAL].values() for word in words)
    assert {word.word: word.devices for word in found.words} == revealed + Counter(byu=SURVIVORS)

    # Words that counted are not offered again. Those of keyboards that were not in the first sum are, each for the first time.
    federation.ask(lambda world: [device.words.clear() for device in world.devices])
    again = discover(federation, keyboards)
    assert again.state == FOUND and not again.words
    assert check_records(federation, keyboards)[COUNT] == {name: {"byu", "provo", f"{name}zorp"} for name in DEATHS}
