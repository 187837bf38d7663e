"""The person's choices about their keyboard, in one file of the profile."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from keyboard_app.recording.damage import set_aside

SETTINGS = "settings.json"
_LARGEST_WINDOW = 100_000  # pixels
THEMES = ("system", "light", "dark")
SIDES = ("off", "left", "right")  # where the keys are, for one hand


@dataclass(frozen=True)
class UserSettings:
    """All choices with their defaults."""

    consent: bool | None = None  # to record messages; None until the person has answered
    toured: bool = False  # whether the person has taken or left the tour
    theme: str = "system"  # one of THEMES
    text_scale: float = 1.0  # relative to the normal size, 0.5 to 3
    layout: str = "qwerty"
    key_height: float = 1.0  # relative to the usual height, 0.8 to 1.5
    number_row: bool = False  # whether a row of digits stands above the letters
    one_handed: str = "off"  # one of SIDES
    hold_ms: int = 380  # time after which a key counts as held, in milliseconds, 200 to 1,000
    key_sound: bool = False  # where the platform can play one
    key_vibration: bool = False  # where the platform can vibrate
    offensive_words: bool = False  # whether to suggest them
    autocorrect: bool = True
    glide: bool = True  # whether a finger that slides over the letters writes a word
    automatic_capitals: bool = True  # at the start of a sentence, with the keys on the screen
    keep_days: int | None = None  # days for which messages are kept; None until they are deleted
    learn_automatically: bool = True
    learn_from: int = 0  # local hour from which the keyboard may start to learn by itself
    learn_until: int = 24  # local hour before which it may; on the next day if not above `learn_from`
    window_width: int | None = None  # of the window when it was last closed, in pixels of the system
    window_height: int | None = None
    take_part: bool = True  # whether to take part in the rounds of the joined federation
    # Whether to offer new words to the joined federation, masked. Joining asks; a member from before that was not asked.
    share_new_words: bool = False

    def __post_init__(self) -> None:
        """Checks every choice.

        Raises:
          DataError: a value is not allowed.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not _is(value, field.type):
                raise DataError(f"the setting {field.name} cannot be {value!r}")
        for name, meant in (
            ("theme", self.theme in THEMES),
            ("text_scale", 0.5 <= self.text_scale <= 3),
            ("key_height", 0.8 <= self.key_height <= 1.5),
            ("one_handed", self.one_handed in SIDES),
            ("hold_ms", 200 <= self.hold_ms <= 1000),
            ("keep_days", self.keep_days is None or 1 <= self.keep_days <= 36_500),
            ("window_width", self.window_width is None or 1 <= self.window_width <= _LARGEST_WINDOW),
            ("window_height", self.window_height is None or 1 <= self.window_height <= _LARGEST_WINDOW),
            ("learn_from", 0 <= self.learn_from <= 24),
            ("learn_until", 0 <= self.learn_until <= 24),
        ):
            if not meant:
                raise DataError(f"the setting {name} cannot be {getattr(self, name)!r}")


def read_settings(path: Path) -> UserSettings:
    """Reads the file, or returns the defaults if there is none. Ignores settings that only a newer keyboard knows.

    Raises:
      DataError: the file is damaged or cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
        known = {field.name for field in fields(UserSettings)}
        return UserSettings(**{name: value for name, value in content.items() if name in known})
    except FileNotFoundError:
        return UserSettings()
    except UserFacingError:
        raise
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is damaged") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def load_settings(path: Path, notices: list[str]) -> UserSettings:
    """Reads the file; sets a damaged one aside, returns the defaults, and adds a line to `notices`.

    Raises:
      DataError: this user may not read the file; it stays as it is.
    """
    try:
        return read_settings(path)
    except UserFacingError as error:
        if isinstance(error.__cause__, PermissionError):
            raise DataError(f"{error}: make sure that the file is yours and that you may read it") from error
        notices.append(f"the settings were reset: {error}; the file is kept as {set_aside(path)}")
        return UserSettings()


def save_settings(path: Path, settings: UserSettings) -> None:
    """Writes the file by rename.

    Raises:
      DataError: the file cannot be written.
    """
    try:
        write_by_rename(path, json.dumps(asdict(settings), indent=1).encode(), mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: check that the disk is not full") from error


def _is(value: Any, kind: Any) -> bool:
    """Returns whether a JSON value is of a field's type: a bool is not a number, but an int is a valid float."""
    kinds = get_args(kind) or (kind,)
    return type(value) in kinds or (float in kinds and type(value) is int)
