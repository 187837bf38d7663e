"""The federation page in the real window: joining, a secure round with two headless keyboards, past updates, leaving."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federation.protocol import api_messages
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating import headless
from keyboard_app.federating.federation import ASK_SECONDS, REST_SECONDS
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.steps import STEPS
from keyboard_app.recording.user_profile import Profile

ROOT = Path(__file__).parents[3]
LINE = "i think the climbing hall is good and you have the ropes"


class Coordinator:
    """A coordinator and keyboards, each in a process of its own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        script = ROOT / "tests" / "federation" / "coordinator" / "coordinator_process.py"
        self._process = subprocess.Popen(
            [sys.executable, script, folder / "coordinator", model],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._keyboards: list[subprocess.Popen] = []
        (folder / "corpus.jsonl").write_text(
            "".join(json.dumps({"user": u, "time": f"{n:02}", "text": LINE}) + "\n" for u in "ab" for n in range(20))
        )

    def ask(self, command: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{command}\n")
        stdin.flush()
        return stdout.readline().strip()

    def start_keyboards(self) -> None:
        for user in "ab":
            options: list[str | Path] = [
                "--profile",
                self.folder / user,
                "--model",
                self.model,
                "--join",
                self.ask("link"),
            ]
            words: list[str | Path] = ["--corpus", self.folder / "corpus.jsonl", "--user", user]
            command: list[str | Path] = [sys.executable, "-m", "keyboard_app", "device", *options, *words]
            self._keyboards.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))

    def close(self) -> None:
        for process in (*self._keyboards, self._process):
            process.kill()
            process.wait()


@pytest.fixture
def coordinator(tmp_path: Path, small_model_folder: Path) -> Iterator[Coordinator]:
    coordinator = Coordinator(tmp_path, small_model_folder)
    yield coordinator
    coordinator.close()


def give_link(person: Any, link: str) -> None:
    from kivy.core.clipboard import Clipboard

    Clipboard.copy(link)
    person.touch_control("paste the join link")
    person.touch_control("Continue")


def test_on_a_phone_the_question_whether_to_join_comes_into_view(
    open_window: Callable[..., Any], device: Device
) -> None:
    device.choose(consent=True)
    person = open_window(device, 360, 640)
    person.touch_control("federation")
    give_link(person, str(JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64)))
    join, scroll = person.control("I agree, join"), person.page().ids.scroll

    def seen() -> bool:
        (bottom, top), (low, high) = (
            [widget.to_window(0, y)[1] for y in (widget.y, widget.top)] for widget in (join, scroll)
        )
        return bool(low <= bottom < top <= high)

    person.wait_until(seen)


def test_a_person_joins_takes_part_sees_the_update_and_leaves(
    open_window: Callable[..., Any], device: Device, coordinator: Coordinator
) -> None:
    device.choose(consent=True)
    for _ in range(20):
        device.profile.store.add_message(LINE, [])
    person = open_window(device)
    person.touch_control("federation")
    page = person.page()
    shown = " ".join(getattr(widget, "text", "") for widget in page.walk())
    for word in ("masked", "coordinator", "nobody sees", "at least three", "leave at any time"):
        assert word in shown, "before joining"

    give_link(person, "https://example.org")
    assert page.problem.startswith("A join link begins with") or page.problem.startswith("The text is not a join link")
    link = JoinLink.parse(coordinator.ask("link"))
    for wrong, problem in (
        (replace(link, sha256="0" * 64), "is not the coordinator of this join link"),
        (replace(link, code="A" * 20), "not one of the coordinator's"),
        (replace(link, port=9), "no coordinator answers"),
    ):
        give_link(person, str(wrong))
        person.touch_control("I agree, join")
        person.wait_until(lambda problem=problem: problem.lower() in page.problem.lower())
        assert problem in person.screen.status.lower() or "one of the" in person.screen.status
        assert device.federation.standing().joined is None
        person.touch_control("Not now")
    give_link(person, str(link))
    assert device.federation.standing().joining is None, "nothing is sent before the person agrees"
    person.touch_control("I agree, join")
    person.wait_until(lambda: page._standing_card.place)
    assert person.screen.status == f"You have joined the federation at 127.0.0.1:{link.port}"
    assert page._standing_card.place == f"127.0.0.1:{link.port}"

    coordinator.ask("want")
    coordinator.start_keyboards()
    person.touch_control("Ask for a round now")
    steps_seen = set()

    def shared() -> bool:
        if current := device.federation.round_going_on:
            steps_seen.add(current.step)
        return any(one.outcome == "counted" for one in device.federation.standing().shared)

    person.wait_until(lambda: device.federation.round_going_on)
    person.wait_until(lambda: person.screen.connecting and page._round_card.step > 0 and page._round_card.now)
    person.type_physically("typing goes on")
    assert device.keyboard.text == "typing goes on"
    person.wait_until(shared, 120)
    assert steps_seen and steps_seen <= set(STEPS)
    person.wait_until(lambda: device.federation.background.task is None)
    (one,) = device.federation.standing().shared
    assert one.words > 100 and one.bytes > 5_000
    rows = page._shared_card.ids.rows.children
    assert [row.text.split(": ")[1] for row in rows] == ["counted"]
    assert rows[0].note == f"{one.words:,} words used"
    assert one.words == 12 * 15, "each word once: of 20 messages of 12 words, 5 are held out"
    person.touch_control("details of updates")
    assert "not scaled down" in rows[0].note

    person.touch_control("Ask for a round now")  # and receives the model of the finished round
    person.wait_until(lambda: device.models.global_model.provenance.round == 1)
    person.wait_until(lambda: not person.screen.busy)

    person.touch_control("take part in rounds")
    assert device.profile.settings.take_part is False
    person.touch_control("Leave the federation")
    person.touch_control("Cancel")
    person.touch_control("Leave the federation")
    person.touch_control("Leave")
    person.wait_until(lambda: device.federation.standing().joined is None)
    person.wait_until(lambda: not person.screen.connecting)
    person.wait_until(lambda: person.screen.status == "Left the federation", 20)
    assert coordinator.ask("gone") == "1"
    assert page._link_card in page.ids.column.children
    assert page._shared_card in page.ids.column.children, "past updates stay on record"


def test_an_idle_keyboard_asks_for_rounds_and_a_task_of_the_person_comes_first(
    open_window: Callable[..., Any], device: Device
) -> None:
    device.choose(consent=True)
    for _ in range(10):  # too few words for automatic learning
        device.profile.store.add_message(LINE, [])
    nobody = "https://127.0.0.1:9"  # nobody answers there
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        certificate = self_signed(device.profile.path / "certificate.pem")
        membership.join(nobody, certificate, membership.begin_joining(JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64)))
    person = open_window(device)
    person.touch_control("federation")
    screen = person.screen
    screen.serve()
    assert device.federation.latest is None, "the keyboard was just used"
    screen.activity.last_used -= REST_SECONDS
    screen.serve()
    latest = device.federation.latest
    assert latest is not None
    status = screen.status
    person.wait_until(lambda: device.federation.background.task is None)
    assert latest.failed and latest.line == "cannot reach the coordinator at 127.0.0.1:9: is it running?"
    assert person.page()._round_card.line.startswith("Cannot reach the coordinator"), "the page says so"
    assert screen.status == status, "but the status does not repeat it every minute"
    assert "asks for a round every minute" in person.page()._round_card.when
    latest.pause = 1_800.0  # what a coordinator of many devices wishes
    person.page().refresh()
    assert "asks for a round every 30 minutes, as your federation wishes, while" in person.page()._round_card.when
    latest.pause = 0.0
    screen.activity.last_used -= REST_SECONDS
    screen.serve()
    assert device.federation.latest is latest, "too early to ask again"
    device.federation._asked -= ASK_SECONDS
    screen.serve()
    assert device.federation.latest is not latest
    screen.learn()  # need not wait for the request
    person.wait_until(lambda: device.profile.store.history.last_judgement() is not None)


def test_only_typing_makes_a_keyboard_leave_a_round_that_waits(
    open_window: Callable[..., Any], device: Device, coordinator: Coordinator
) -> None:
    device.choose(consent=True)
    for _ in range(20):
        device.profile.store.add_message(LINE, [])
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        headless.join(membership, JoinLink.parse(coordinator.ask("link")))
    coordinator.ask("want")
    person = open_window(device)
    screen = person.screen
    screen.activity.last_used -= REST_SECONDS
    screen.activity.last_typed -= REST_SECONDS
    screen.serve()
    person.wait_until(lambda: device.federation.round_going_on)
    taking = device.federation.round_going_on
    assert taking is not None and taking.step == api_messages.WAIT, "it waits for the other keyboards"
    for name in (
        "what it learned",
        "my data",
        "federation",
        "settings",
        "private mode",
        "private mode",
        "colours: Dark",
    ):
        person.touch_control(name)
    for size in ((640, 360), (1280, 800), (412, 892)):
        person.resize(*size)
    screen.page = "data"
    person.touch_control("search my messages")
    person.touch_control("back to the messages")
    person.touch_control("what it learned")
    person.touch_control("Learn now")
    person.wait_until(lambda: not screen.busy)
    page = person.page()
    assert page.ids.learned.line.startswith("Learned from") and not page.ids.learned.failed
    person.touch_control("Forget what it learned")
    person.touch_control("Forget everything")
    assert page.ids.undone.line.startswith("Everything that was learned is forgotten")
    unclear = device.import_texts(write(device.profile.path / "mine.txt", "rope rope chalk\n"))
    person.wait_until(lambda: device.background.task is None)
    recorded = device.my_data.count()
    device.import_of(None, unclear)  # the person has said that the text is theirs
    person.wait_until(lambda: device.background.task is None)
    assert device.my_data.count() == recorded + 1
    person.wait(20)
    assert device.federation.round_going_on is taking and taking.step == api_messages.WAIT
    assert screen.foot.startswith("Taking part in a round") or screen.foot == screen.status
    person.type_physically("x")
    person.wait_until(lambda: device.federation.background.task is None)
    assert device.federation.standing().joined is not None


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_leaving_continues_after_the_keyboard_was_closed(tmp_path: Path, small_model_folder: Path) -> None:
    path = tmp_path / "profile"
    with Profile.open(path, use_keyring=False) as profile, Membership.open(path, profile.vault) as membership:
        key = membership.begin_joining(JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64))
        membership.join("https://127.0.0.1:9", self_signed(tmp_path / "certificate.pem"), key)
    with Device.open(path, small_model_folder, use_keyring=False) as device:
        device.federation.take_part()  # a request is running
        device.federation.leave()
    with Device.open(path, small_model_folder, use_keyring=False) as device:
        joined = device.federation.standing().joined
        if joined is not None:  # closed before the coordinator was informed
            assert joined.leaving
            device.serve()
            assert "left the federation, but its coordinator could not be told" in str(
                device.federation.background.wait()
            )
        assert device.federation.standing().joined is None


def self_signed(path: Path) -> str:
    from federation.coordinator.web.certificate import certificate

    return certificate(path, "127.0.0.1").path.read_text()
