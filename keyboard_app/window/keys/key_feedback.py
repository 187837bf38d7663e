"""What a person hears and feels when a finger comes down on a key.

On Android both come from the system: `AudioManager.playSoundEffect` is the click of its own keyboards, and
`View.performHapticFeedback` needs no permission. Elsewhere Kivy plays a click, which is synthesized into the app's cache, and
nothing vibrates.
"""

import os
import sys
import wave
from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from data.files import write_by_rename
from keyboard_app.window.after_frame import after_frame

__all__ = ("KeyFeedback",)

_RATE = 44_100  # Hz
_LASTS, _FADES = 0.03, 0.004  # seconds: of the click, and until it is e times quieter
_PITCH = 1_900.0  # Hz
_LOUDNESS = 0.3  # of full scale
_SOUND_CARDS = Path("/dev/snd/controlC0")
_CLICK = 5  # AudioManager.FX_KEYPRESS_STANDARD
_SYSTEM_VOLUME = -1.0
_KEY_TAP = 3  # HapticFeedbackConstants.KEYBOARD_TAP


def click() -> bytes:
    """Returns the click as a WAV file: one channel of 16 bits."""
    times = np.arange(int(_RATE * _LASTS)) / _RATE
    samples = _LOUDNESS * np.exp(-times / _FADES) * np.sin(2 * np.pi * _PITCH * times)
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes((samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


class KeyFeedback:
    """Plays a sound and vibrates after the frame that shows a pressed key, so that the key costs no more time.

    A platform without audio has no sound, and one without a vibrator no vibration: `has_sound` and `has_vibration` say so. They
    open the audio device when they are first asked for.
    """

    def __init__(self, cache: Path | None = None) -> None:
        """Prepares nothing yet; `cache` is the folder for the click, that of the app if not given."""
        self._cache = cache or user_cache_path("federated-keyboard", appauthor=False)
        self._wanted: list[Callable[[], object]] = []
        self.press = after_frame(self._give)

    @cached_property
    def has_sound(self) -> bool:
        """Whether the platform can play the click."""
        return self._sound is not None

    @cached_property
    def has_vibration(self) -> bool:
        """Whether the platform can vibrate."""
        return _is_android() and bool(_service("vibrator", "android.os.Vibrator").hasVibrator())

    def use(self, sound: bool, vibration: bool) -> None:
        """Gives what is wanted from now on, as far as the platform has it."""
        self._wanted = []
        if sound and self._sound is not None:
            self._wanted.append(self._sound)
        if vibration and self.has_vibration:
            self._wanted.append(_vibrate)

    def _give(self) -> None:
        for give in self._wanted:
            give()

    @cached_property
    def _sound(self) -> Callable[[], object] | None:
        """What plays the click, or None."""
        if _is_android():
            manager = _service("audio", "android.media.AudioManager")
            return lambda: manager.playSoundEffect(_CLICK, _SYSTEM_VOLUME)
        if not _may_have_audio():
            return None
        path = self._cache / "click.wav"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_by_rename(path, click())
        except OSError:
            return None
        from kivy.core.audio import SoundLoader  # opens the audio device

        sound = SoundLoader.load(str(path))
        if sound is None or sound.length <= 0:  # there is no provider, or no device that it could open
            return None
        play: Callable[[], object] = sound.play
        return play


def _may_have_audio() -> bool:
    """Returns whether it makes sense to look for an audio device: without one, ALSA writes its errors to the console."""
    if sys.platform != "linux" or "SDL_AUDIODRIVER" in os.environ or "PULSE_SERVER" in os.environ:
        return True
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"))
    return any(path.exists() for path in (_SOUND_CARDS, runtime / "pulse" / "native", runtime / "pipewire-0"))


def _is_android() -> bool:
    return hasattr(sys, "getandroidapilevel")


def _activity() -> Any:
    from jnius import autoclass

    return autoclass("org.kivy.android.PythonActivity").mActivity


def _service(name: str, kind: str) -> Any:
    from jnius import cast

    return cast(kind, _activity().getSystemService(name))


def _vibrate() -> None:
    _activity().getWindow().getDecorView().performHapticFeedback(_KEY_TAP)
