"""The federation page asks the person before the keyboard contributes again to the same model, or to an older one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError
from federation.coordinator.web.certificate import certificate
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.model_history import NO, OLDER, YES

URL, OLD, NEW = "https://127.0.0.1:9", "0" * 64, "1" * 64


def asks(device: Device, folder: Path, older: bool) -> None:
    """Joins a federation and lets it ask for a fourth update, or for one on an older model."""
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        link = JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64)
        pem = certificate(folder / "certificate.pem", "127.0.0.1").path.read_text()
        membership.join(URL, pem, membership.begin_joining(link))
        history = membership.history()
        history.accept(OLD, 3)
        if older:
            history.accept(NEW, 4)
        else:
            for number in range(3):
                membership.sent(URL, f"round-{number}", OLD, 1_234, 2_850_882, clipped=False)
        with pytest.raises(DataError):
            history.check(OLD, 3)


@pytest.mark.parametrize("older", [False, True])
def test_a_person_answers_and_may_change_a_no_into_a_yes(
    older: bool, open_window: Callable[..., Any], device: Device, tmp_path: Path
) -> None:
    device.choose(consent=True)
    asks(device, tmp_path, older)
    person = open_window(device)
    person.touch_control("federation")
    page = person.page()
    shown = " ".join(getattr(widget, "text", "") for widget in page.walk())
    question = device.federation.standing().question
    assert question is not None and (question.kind == OLDER) == older and question.answer == ""
    expected = "version 4 of the shared model" if older else "3 contributions to the same version"
    assert expected in shown and "say no" in shown and "You said no" not in shown
    person.touch_control("do not contribute")
    question = device.federation.standing().question
    assert question is not None and question.answer == NO
    assert "waits for a newer version" in person.screen.status
    assert "You said no" in " ".join(getattr(widget, "text", "") for widget in page.walk())
    person.touch_control("Yes, contribute")
    assert device.federation.standing().question is None
    assert page._question_card not in page.ids.column.children
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        assert [asked.answer for _, asked in membership.history()._asked()] == [YES]
        membership.history().check(OLD, 3)
