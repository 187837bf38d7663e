"""The sound and the vibration of the keys: off at first, and shown only where the platform has them."""

import sys
import wave
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, display: None) -> None:
    from keyboard_app.window.keys import key_feedback

    monkeypatch.setattr(key_feedback, "_may_have_audio", lambda: False)


@pytest.fixture
def audible(monkeypatch: pytest.MonkeyPatch, display: None) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")  # a device of SDL's that plays into nothing


def names(person: Any) -> list[str]:
    return [widget.name for widget in person.page().walk(restrict=True) if getattr(widget, "name", "")]


def test_the_click_is_short_and_fades(display: None) -> None:
    from keyboard_app.window.keys.key_feedback import click

    with wave.open(BytesIO(click())) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 44_100)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float) / 32_768
    assert len(samples) == 1_323
    assert 0.1 < np.abs(samples[:200]).max() < 0.31
    assert np.abs(samples[-200:]).max() < 0.001, "no crack at the end"


def test_without_audio_there_is_no_switch(silent: None, person: Any) -> None:
    person.screen.page = "settings"
    assert "sound of the keys" not in names(person)
    assert "vibration of the keys" not in names(person), "no desktop vibrates"
    person.device.choose(key_sound=True, key_vibration=True)  # settings from another machine
    person.screen.apply_settings()
    person.screen.page = ""
    person.wait()
    person.touch_keys(["H", "i"])
    assert person.text == "Hi"


def test_a_key_clicks_once_it_is_switched_on(never_held: None, audible: None, person: Any) -> None:
    played: list[object] = []
    person.screen.composer.feedback._sound.__self__.bind(on_play=played.append)
    person.touch_keys(["H"])
    assert played == [], "it is off at first"
    person.screen.page = "settings"
    person.touch_control("sound of the keys")
    assert person.device.profile.settings.key_sound
    person.screen.page = ""
    person.wait()
    touch = person.press(person.key("i"))
    assert played == [], "not before the frame that shows the key"
    person.wait()
    assert len(played) == 1
    touch.touch_up()
    person.wait()
    assert person.text == "Hi"


def test_a_cache_that_cannot_be_written(audible: None, tmp_path: Path) -> None:
    from keyboard_app.window.keys.key_feedback import KeyFeedback

    (tmp_path / "file").write_text("")
    assert KeyFeedback(tmp_path / "good").has_sound
    assert not KeyFeedback(tmp_path / "file").has_sound


@pytest.mark.parametrize("vibrates", [True, False])
def test_on_android_the_system_clicks_and_vibrates(
    vibrates: bool, display: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyboard_app.window.keys.key_feedback import KeyFeedback

    done: list[tuple] = []
    services = {
        "audio": SimpleNamespace(playSoundEffect=lambda *arguments: done.append(arguments)),
        "vibrator": SimpleNamespace(hasVibrator=lambda: vibrates),
    }
    view = SimpleNamespace(performHapticFeedback=lambda kind: done.append((kind,)))
    window = SimpleNamespace(getDecorView=lambda: view)
    activity = SimpleNamespace(getSystemService=services.__getitem__, getWindow=lambda: window)
    java = SimpleNamespace(
        autoclass=lambda name: SimpleNamespace(mActivity=activity), cast=lambda kind, instance: instance
    )
    monkeypatch.setitem(sys.modules, "jnius", java)
    monkeypatch.setattr(sys, "getandroidapilevel", lambda: 33, raising=False)
    feedback = KeyFeedback()
    assert (feedback.has_sound, feedback.has_vibration) == (True, vibrates)
    feedback.use(sound=True, vibration=True)
    feedback._give()
    assert done == [(5, -1.0), (3,)][: 1 + vibrates]
    feedback.use(sound=False, vibration=False)
    feedback._give()
    assert len(done) == 1 + vibrates
