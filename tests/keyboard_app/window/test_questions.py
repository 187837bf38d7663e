"""Whatever destroys something asks first, and the confirming button is never where the finger was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.membership import Membership
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.database import queries
from tests.keyboard_app.window.test_federation_page import self_signed

ENTER, ESCAPE = 13, 27
DESTRUCTIVE = (
    ("learned", "Go back to the previous model"),
    ("learned", "Forget what it learned"),
    ("data", "delete “i think you are good”"),
    ("data", "Delete all messages"),
    ("data", "keep messages: 30 days"),
    ("federation", "Leave the federation"),
)


@pytest.fixture
def member(device: Device, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A device with an old message, a personal model and a federation."""
    with monkeypatch.context() as patched:
        old = datetime.now(UTC) - timedelta(days=40)
        patched.setattr(queries, "now", lambda: old.isoformat(timespec="seconds"))
        patched.setattr(device.profile.store, "_clock", None)  # no message looks older than a reading of the clock
        device.profile.store.add_message("an old one", [])
    device._retention._read_on = ""  # the clock is read again, as on the next day
    for _ in range(19):
        device.profile.store.add_message("i think you are here", [])
    device.profile.store.add_message("i think you are good", [])
    run(Learning(device.profile, device.models))
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        key = membership.begin_joining(JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64))
        membership.join("https://127.0.0.1:9", self_signed(device.profile.path / "certificate.pem"), key)
    return device


def state(device: Device) -> tuple[object, ...]:
    joined = device.federation.standing().joined
    return (
        device.profile.store.messages(),
        len(device.profile.store.history.changes()),
        device.models.personalized,
        joined is not None and not joined.leaving,
        device.profile.settings.keep_days,
    )


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 360)])
def test_a_second_tap_escape_and_cancel_destroy_nothing(
    open_window: Callable[..., Any], member: Device, width: int, height: int
) -> None:
    person = open_window(member, width, height)
    screen, before = person.screen, state(member)
    assert before[2:4] == (True, True)
    for page, name in DESTRUCTIVE:
        screen.page = page
        person.wait(3)
        person.touch_control(name)
        assert screen.asks, name
        person.press_at(*screen._touched).touch_up()
        person.wait(2)
        assert screen.asks and state(member) == before, name
        person.press_physically(ESCAPE)
        assert not screen.asks and screen.page == page, name
        screen.focus.focus(person.control(name))
        for _ in range(2):  # the first Enter asks, and the second presses the first button of the question
            person.press_physically(ENTER)
        assert not screen.asks and state(member) == before, name
        assert screen.focus.focused is not None and screen.focus.focused.name == name
        screen.focus.leave()
    screen.page = "data"
    person.touch_control("keep messages: 30 days")
    person.touch_control("Delete older ones")
    assert "an old one" not in person.recorded and len(person.recorded) == 20
    screen.page = "federation"
    person.touch_control("Leave the federation")
    person.touch_control("Leave")
    person.wait_until(lambda: member.federation.standing().joined is None)


@pytest.mark.parametrize(("width", "height"), [(320, 480), (640, 360), (1280, 800)])
def test_the_confirming_button_keeps_away_from_the_finger(
    open_window: Callable[..., Any], device: Device, width: int, height: int
) -> None:
    from keyboard_app.window.widgets.modal import ConfirmationDialog

    device.choose(text_scale=1.5)
    person = open_window(device, width, height)
    for column in range(5):
        for row in range(7):
            x, y = (column + 0.5) * width / 5, (row + 0.5) * height / 7
            question = ConfirmationDialog(
                (x, y), question="Delete 3 messages?", note="Word " * 40, act="Delete permanently"
            )
            person.screen.add_widget(question)
            person.wait(1)
            button = question.ids.confirm
            assert not button.collide_point(x, y)
            assert button.x >= 0 and button.right <= width and button.y >= 0 and button.top <= height
            person.screen.remove_widget(question)
