"""`keyboard device` processes find words together over TLS; their owner strikes one out by the control API and saves the rest."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from federation.coordinator.web.control_api import ControlApi, control_app
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.words.discovery_store import DiscoveryTerms
from federation.protocol.api_messages import COUNTED
from federation.protocol.discovery.round_plans import COUNT, REVEAL
from keyboard_app.federating.membership import Membership
from keyboard_app.recording.user_profile import read_vault
from keyboard_app.status import read_status
from tests.federation.coordinator.conftest import World
from tests.federation.coordinator.test_keyboards_join import ROOT, SECONDS, Federation, federation  # noqa: F401 (a fixture)
from tests.federation.coordinator.word_devices import WordDevice, WordWorld
from tests.keyboard_app.federating.in_process import URL, InThread

NAMES = ("ann", "bob", "cy")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """All know "byu" and "provo"; each has a word of their own."""
    path = tmp_path / "words.jsonl"
    texts = ("i think byu is provo.", "i think {own} is.", "i think it is.")
    lines = [
        json.dumps({"user": user, "time": f"{n:02}", "text": texts[n % 3].format(own=f"{user}zorp")}) + "\n"
        for user in NAMES
        for n in range(12)
    ]
    path.write_text("".join(lines))
    return path


def test_keyboard_processes_find_words_and_list_what_they_offered(
    federation: Federation,  # noqa: F811
    tmp_path: Path,
    small_model_folder: Path,
    corpus: Path,
) -> None:
    with ExitStack() as stack:
        for user in NAMES:
            options = ("--profile", tmp_path / user, "--model", small_model_folder, "--join", federation.link())
            words = ("--corpus", corpus, "--user", user)
            command = [sys.executable, "-m", "keyboard_app", "device", *map(str, (*options, *words))]
            process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        federation.ask(lambda world: world.coordinator.rounds.discover_words(DiscoveryTerms(3), world.now))
        until = time.monotonic() + SECONDS
        while (found := federation.ask(lambda world: world.coordinator.rounds.discoveries.newest)).going_on:
            assert time.monotonic() < until, federation.ask(lambda world: world.coordinator.store.events.newest(9))
            time.sleep(0.1)
        assert {word.word: word.devices for word in found.words} == {"byu": 3, "provo": 3}

        def shared(user: str) -> list:
            with Membership.open(tmp_path / user, read_vault(tmp_path / user)) as membership:
                return membership.shared()

        while not all(one.outcome == COUNTED for user in NAMES for one in shared(user)):
            assert time.monotonic() < until
            time.sleep(0.1)
    for user in NAMES:
        offered = [one.offered for one in shared(user)]
        assert [(one.kind, sorted(one.words)) for one in offered] == [
            (COUNT, sorted(["byu", "provo", f"{user}zorp"])),
            (REVEAL, ["byu", "provo"]),
        ]
        status = read_status(tmp_path / user, small_model_folder)
        assert status.shares_new_words and set(status.offered_words) == {"byu", "provo", f"{user}zorp"}
        assert "offered so far: " in str(status)
    for name in ("provo", "annzorp"):  # "byu" is short enough to occur in keys by chance
        assert name.encode() not in federation.recording.received, "no word travels in the clear"


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path) -> Iterator[World]:
    world = WordWorld(tmp_path / "coordinator", tiny_model_folder)
    yield world
    world.close()


def test_the_owner_starts_a_discovery_strikes_words_out_and_saves_the_others(world: WordWorld) -> None:
    world.add(*[WordDevice(["byu", "provo"]) for _ in range(3)])
    control = ControlApi(world.coordinator, DeviceApi(world.coordinator), "127.0.0.1", 1, "0" * 64)
    transport = InThread(control_app(control, "token"))
    with httpx.Client(transport=transport, base_url=URL, headers={"authorization": "Bearer token"}) as http:
        assert http.get("/control/words").json() == {}
        refused = http.post("/control/words", params={"k": 2})
        assert refused.status_code == 409 and "k of a DiscoveryTerms must be between 3" in refused.json()["error"]
        assert http.get("/control/words", headers={"authorization": "Bearer other"}).status_code == 401
        assert http.post("/control/words", params={"k": 3}).is_success
        assert "counts how many devices" in str(control.words.newest())
        world.now = time.time()
        world.go_on()
        assert [(w["word"], w["devices"]) for w in http.get("/control/words").json()["words"]] == [
            ("byu", 3),
            ("provo", 3),
        ]
        assert http.post("/control/words/strikes", params={"word": ["provo"], "struck": "true"}).is_success
        assert http.post("/control/words/no-typos", params={"word": ["byu"], "no_typo": "true"}).is_success
        saved = http.get("/control/words/confirmed").json()
        assert (
            saved["words"] == [{"word": "byu", "devices": 3, "no_typo": True}]
            and saved["k"] == 3
            and saved["devices"] == 3
        )
        assert str(control.words.newest()) == "word discovery 1: 1 word of at least 3 of 3 devices, 1 struck out"
        for call in ("strikes", "no-typos"):
            assert http.post(f"/control/words/{call}", params={"word": ["other"]}).status_code == 409
