import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from keyboard_app.learning.schedule import NEW_WORDS, REST_SECONDS, Moment, is_due
from keyboard_app.recording.settings import SETTINGS, UserSettings, load_settings, save_settings
from keyboard_app.recording.user_profile import Profile


def test_choices_are_saved(tmp_path: Path) -> None:
    with Profile.open(tmp_path) as profile:
        assert profile.settings == UserSettings()
        assert profile.settings.consent is None
        profile.choose(consent=True, theme="dark", text_scale=2, keep_days=30)
        profile.choose(learn_from=22, learn_until=6)
    with Profile.open(tmp_path) as profile:
        expected = UserSettings(consent=True, theme="dark", text_scale=2, keep_days=30, learn_from=22, learn_until=6)
        assert profile.settings == expected
        assert profile.notices == []


@pytest.mark.parametrize(
    "choice",
    [
        {"theme": "pink"},
        {"text_scale": 0},
        {"text_scale": float("nan")},
        {"keep_days": 0},
        {"keep_days": 1.5},
        {"consent": 1},
        {"learn_from": 25},
        {"layout": None},
    ],
)
def test_a_value_that_is_not_allowed_is_refused_and_changes_nothing(tmp_path: Path, choice: dict[str, Any]) -> None:
    with Profile.open(tmp_path) as profile:
        profile.choose(consent=True)
        with pytest.raises(DataError, match=f"the setting {next(iter(choice))} cannot be"):
            profile.choose(**choice)
        assert profile.settings == UserSettings(consent=True)
        assert load_settings(tmp_path / SETTINGS, []) == UserSettings(consent=True)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"consent": "yes"}', b'{"theme": "pink"}', b"[" * 100_000])
def test_a_damaged_file_is_replaced_by_the_defaults(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SETTINGS).write_bytes(content)
    notices: list[str] = []
    assert load_settings(tmp_path / SETTINGS, notices) == UserSettings()
    assert "the settings were reset" in notices[0]
    assert "\n" not in notices[0]
    assert (tmp_path / f"{SETTINGS}.damaged").read_bytes() == content


def test_settings_of_a_newer_keyboard_are_ignored(tmp_path: Path) -> None:
    (tmp_path / SETTINGS).write_text(json.dumps(asdict(UserSettings(consent=False)) | {"perfume": "rose"}))
    notices: list[str] = []
    assert load_settings(tmp_path / SETTINGS, notices) == UserSettings(consent=False)
    assert notices == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        save_settings(tmp_path / "file" / SETTINGS, UserSettings())


CONSENT = UserSettings(consent=True)
DUE = Moment(hour=12, words=1_000, new_words=NEW_WORDS, rested=REST_SECONDS)
_MOMENTS = st.builds(
    Moment,
    st.integers(0, 23),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 1e6),
    st.none() | st.booleans(),
)


def test_learning_is_due_when_every_condition_holds() -> None:
    assert is_due(CONSENT, DUE)
    assert is_due(CONSENT, replace(DUE, charging=True))


@given(_MOMENTS, st.booleans(), st.sampled_from([None, False, True]), st.integers(0, 24), st.integers(0, 24))
def test_learning_is_not_due_when_a_condition_fails(
    moment: Moment, automatic: bool, consent: bool | None, start: int, end: int
) -> None:
    settings = UserSettings(consent=consent, learn_automatically=automatic, learn_from=start, learn_until=end)
    if is_due(settings, moment):
        assert automatic
        assert consent
        assert moment.new_words >= NEW_WORDS
        assert moment.new_words >= 0.05 * moment.words
        assert moment.rested >= REST_SECONDS
        assert moment.charging is not False
        hours = [hour % 24 for hour in range(start, end if end > start else end + 24)]
        assert moment.hour in hours


@given(st.integers(0, 23), st.integers(0, 24), st.integers(0, 24))
def test_hours(hour: int, start: int, end: int) -> None:
    moment = Moment(hour, DUE.words, DUE.new_words, DUE.rested)
    within = UserSettings(consent=True, learn_from=start, learn_until=end)
    around = UserSettings(consent=True, learn_from=end, learn_until=start)
    assert is_due(within, moment) != is_due(around, moment) or start % 24 == end % 24
