"""A keyboard that is tried out asks for rounds at a fast pace, on a battery too, and only in a profile of its own."""

from dataclasses import replace

import pytest

from keyboard_app.cli import main
from keyboard_app.device import Device
from keyboard_app.federating.federation import ASK_SECONDS, REST_SECONDS, Pace
from keyboard_app.federating.membership import FILE
from keyboard_app.federating.tasks import TakingPart
from keyboard_app.trial import PACE


@pytest.mark.parametrize("pace", [Pace(), PACE, replace(PACE, on_battery=False)])
def test_a_keyboard_asks_when_its_pace_says(device: Device, monkeypatch: pytest.MonkeyPatch, pace: Pace) -> None:
    federation = device.federation
    asked: list[object] = []
    monkeypatch.setattr(federation, "take_part", asked.append)
    (device.profile.path / FILE).touch()
    federation.pace = pace
    federation.take_part_if_due(lambda: pace.rest - 0.1, None, 1_000.0)
    assert len(asked) == 0, "the person has only just stopped"
    federation.take_part_if_due(lambda: pace.rest, False, 1_000.0)
    assert len(asked) == int(pace.on_battery)
    federation.take_part_if_due(lambda: pace.rest, True, 1_000.0 + pace.ask - 0.1)
    assert len(asked) == 1
    federation.take_part_if_due(lambda: pace.rest, True, 1_000.0 + 2 * pace.ask)
    assert len(asked) == 2


def test_a_keyboard_stays_away_for_as_long_as_its_coordinator_asks(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = device.federation
    asked: list[object] = []
    monkeypatch.setattr(federation, "take_part", asked.append)
    (device.profile.path / FILE).touch()
    latest = TakingPart(device.profile, device.models, lambda: True)
    federation.latest = latest
    for pause, due in ((0.0, ASK_SECONDS), (2 * ASK_SECONDS, 2 * ASK_SECONDS)):
        latest.pause, before = pause, len(asked)
        federation.take_part_if_due(lambda: REST_SECONDS, True, 1_000.0 * (1 + before))
        assert len(asked) == before + 1
        federation.take_part_if_due(lambda: REST_SECONDS, True, 1_000.0 * (1 + before) + due - 0.1)
        assert len(asked) == before + 1


def test_the_usual_pace_is_slow() -> None:
    assert Pace() == Pace(REST_SECONDS, ASK_SECONDS, on_battery=False)
    assert PACE.rest <= 2 and PACE.ask <= 2


@pytest.mark.parametrize("others", [[], ["--profile", "p", "status"], ["--profile", "p", "--script", "f"]])
def test_a_trial_records_only_in_a_window_and_a_profile_of_its_own(
    others: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--try-out", "federated-keyboard://127.0.0.1:1/join?code=x&sha256=y", *others])
    assert ended.value.code == 2
    assert "--try-out opens a window that records without asking" in capsys.readouterr().err
