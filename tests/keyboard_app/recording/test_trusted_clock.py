"""The clock that decides which messages are old: a wrong one deletes nothing, a right one in the end everything that is old."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyboard_app.recording.database.store import Store
from keyboard_app.recording.database.trusted_clock import TrustedClock
from keyboard_app.recording.vault import Vault

VAULT = Vault(bytes(32))
START = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = st.lists(
    st.floats(-800, 800).map(lambda days: timedelta(days=days)) | st.sampled_from([DAY, 3 * DAY, -DAY]), max_size=30
)


def test_one_wrong_start_is_not_believed_and_neither_are_two() -> None:
    clock = TrustedClock(START)
    for wrong in (400 * DAY, 401 * DAY, -400 * DAY, 20_000 * DAY):
        clock, certain = clock.read(START + wrong)
        assert certain <= START
    clock, certain = clock.read(START + DAY)
    assert (clock.believed, certain) == (START + DAY, START)


@pytest.mark.parametrize("hours", [1, 24 * 5, 24 * 30])
def test_a_person_who_comes_back_after_a_year_is_believed_on_the_third_day(hours: int) -> None:
    clock, now, days = TrustedClock(START), START + 365 * DAY, set()
    while True:
        clock, certain = clock.read(now)
        days.add(now.date())
        if certain > START:
            break
        now += timedelta(hours=hours)
    assert len(days) == 3
    assert certain == START + 365 * DAY


@given(STEPS)
def test_no_time_is_certain_on_the_ground_of_one_reading(steps: list[timedelta]) -> None:
    """Whatever the clock says, two readings or more are not before the certain time, and a lonely one is not believed."""
    now, readings = START, [START]
    clock = TrustedClock(START)
    for step in steps:
        now = max(min(now + step, START + 4000 * DAY), START - 4000 * DAY)
        readings.append(now)
        clock, certain = clock.read(now)
        clock = TrustedClock.from_json(clock.to_json()) or pytest.fail("it is read as it was written")
        assert certain <= now
        assert sum(reading >= certain for reading in readings) >= 2
        if all(abs(before - now) > 92 * DAY for before in readings[:-1]):
            assert clock.believed != now, "a reading that nothing confirms is not believed"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([400 * DAY, -400 * DAY, 40 * DAY, -20_000 * DAY]), min_size=1, max_size=3))
def test_no_message_is_lost_by_starts_with_wrong_clocks(tmp_path: Path, wrong: list[timedelta]) -> None:
    """The right clock lies between any two wrong ones. A message recorded by a slow clock does not look old later."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "s.sqlite"
    path.parent.mkdir()
    days, now = timedelta(days=30), datetime.now(UTC)
    store = Store.open(path, VAULT, [])
    store.add_message("recent", [])
    old = store.seal_import("old", (now - 31 * DAY).isoformat(timespec="seconds"))
    store.add_imported([old])
    for number, error in enumerate(wrong):
        for reading in (now + number * DAY, now + number * DAY + error):
            store.close()
            store = Store.open(path, VAULT, [])
            certain = store.certain_time(reading)
            if certain is not None:
                store.delete_before((certain - days).isoformat(timespec="seconds"))
            assert "recent" in [message.text for message in store.messages()]
    certain = store.certain_time(now + 4 * DAY)
    assert certain is not None
    store.delete_before((certain - days).isoformat(timespec="seconds"))
    assert [message.text for message in store.messages()] == ["recent"]
    store.close()


def test_nothing_is_certain_at_the_first_start_and_a_slow_clock_makes_no_message_old(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.sqlite", VAULT, [])
    future = datetime.now(UTC) + 500 * DAY
    assert store.certain_time(future) is None
    store.add_message("by a clock that is slow from now on", [])
    (message,) = store.messages()
    assert message.time == future.isoformat(timespec="seconds")


@pytest.mark.parametrize("content", [b"", b"[]", b"[1]", b'["2026-01-01"]', b"\xff", b"[" * 100_000])
def test_damaged_readings_are_none(content: bytes) -> None:
    assert TrustedClock.from_json(content) is None
