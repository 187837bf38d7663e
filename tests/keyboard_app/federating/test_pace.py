"""When a keyboard asks its coordinator again: after the pause that the coordinator asked for, also while it cannot be reached."""

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.coordinator.web.certificate import certificate
from federation.protocol.api_messages import REST, Call
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating import headless
from keyboard_app.federating.client import FederationClient, UnreachableError
from keyboard_app.federating.federation import ASK_SECONDS, REST_SECONDS
from keyboard_app.federating.membership import Membership

PAUSE = 1_000.0


class StoppedError(BaseException):
    """The test has seen enough."""


@pytest.fixture
def member(device: Device, tmp_path: Path) -> Device:
    """Returns a keyboard that belongs to a federation."""
    shown = certificate(tmp_path / "certificate.pem", "127.0.0.1").path.read_text()
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        membership.join("https://127.0.0.1:1", shown, Ed25519PrivateKey.generate())
    return device


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Returns the pauses that the coordinator asks for; once they are used up, it cannot be reached."""
    pauses: list[float] = []

    def check_in(*_: object) -> Call:
        if not pauses:
            raise UnreachableError("nobody answers")
        return Call(REST, "", "", "", "0" * 64, 0, pauses.pop(0))

    monkeypatch.setattr(FederationClient, "check_in", check_in)
    return pauses


def ask(device: Device) -> None:
    device.federation.take_part()
    while device.federation.background.task is not None:
        device.federation.background.poll()
        time.sleep(0.01)


def test_a_keyboard_without_a_window_does_not_hurry_back_to_a_coordinator_of_many(
    member: Device, answered: list[float], small_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 7:
            raise StoppedError

    monkeypatch.setattr("keyboard_app.federating.headless.time.sleep", sleep)
    told: list[str] = []
    answered += [0.0, PAUSE]
    profile = member.profile
    with Membership.open(profile.path, profile.vault) as membership, pytest.raises(StoppedError):
        headless.take_part(profile, membership, small_model_folder, lambda _: [], told.append)
    assert slept == [0.1, PAUSE, PAUSE, PAUSE, PAUSE, PAUSE, PAUSE]
    assert told[-1] == "nobody answers (trying again in 1000 seconds)"


def test_a_window_does_not_hurry_back_either_until_the_coordinator_says_so(
    member: Device, answered: list[float]
) -> None:
    federation = member.federation
    answered += [PAUSE]
    for pause in (PAUSE, PAUSE, PAUSE):  # it answers once
        ask(member)
        assert federation.latest is not None and federation.latest.pause == pause
    answered += [0.0]
    ask(member)
    assert federation.latest is not None and federation.latest.pause == 0.0


@pytest.mark.parametrize("removed", [False, True])
def test_another_federation_is_asked_at_once(
    member: Device, answered: list[float], monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """The pause, or the removal, is that of the federation that the keyboard was in before."""
    federation = member.federation
    answered += [PAUSE]
    ask(member)
    assert federation.latest is not None
    federation.latest.removed = removed
    asked: list[object] = []
    monkeypatch.setattr(federation, "take_part", asked.append)

    def due(now: float) -> bool:
        before = len(asked)
        federation.take_part_if_due(lambda: REST_SECONDS, True, now)
        return len(asked) > before

    assert due(0.0) and not due(ASK_SECONDS)
    with Membership.open(member.profile.path, member.profile.vault) as membership:
        membership.leave()
    joining = federation.join(str(JoinLink("127.0.0.1", 1, "a-code-good-once", "ab" * 32)))
    federation.background.cancel(60.0)
    assert joining.title and due(ASK_SECONDS)
