"""The federation page lists the new words that the keyboard would offer and those that it has offered, and a switch keeps them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from federation.coordinator.web.certificate import certificate
from federation.protocol.api_messages import COUNTED
from federation.protocol.discovery.round_plans import COUNT
from federation.protocol.discovery.word_counts import CountTerms
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.membership import Membership
from keyboard_app.federating.word_record import OfferedWords
from keyboard_app.status import read_status

URL = "https://127.0.0.1:9"


def shown(page: Any) -> str:
    return " ".join(getattr(widget, "text", "") for widget in page.walk())


def test_a_person_reads_what_joining_shares_and_may_keep_new_words(
    open_window: Callable[..., Any], device: Device
) -> None:
    device.choose(consent=True)
    person = open_window(device)
    person.touch_control("federation")
    page = person.page()
    assert "New words, if you like" in shown(page) and "at least three of them have" in shown(page)
    page._fill_in(str(JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64)))
    person.touch_control("Continue")
    person.touch_control("share new words")
    assert device.profile.settings.share_new_words is False, "nothing is shared before the person agrees"
    assert page._agree_card.ids.share_words.on is False
    person.touch_control("share new words")
    person.touch_control("I agree, join")
    assert device.profile.settings.share_new_words is True
    person.wait_until(lambda: not person.screen.connecting)


def test_a_person_sees_the_words_before_and_after_they_are_offered(
    open_window: Callable[..., Any], device: Device, tmp_path: Path
) -> None:
    device.choose(consent=True)
    for text in ("i think byu is provo", "i think byu is good"):
        device.profile.store.add_message(text, [])
    vocabulary = device.models.global_model.vocabulary.sha256
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        link = JoinLink("127.0.0.1", 9, "a" * 20, "0" * 64)
        pem = certificate(tmp_path / "certificate.pem", "127.0.0.1").path.read_text()
        membership.join(URL, pem, membership.begin_joining(link))
    person = open_window(device)
    person.touch_control("federation")
    page = person.page()
    assert "would offer" not in shown(page), "who joined before this existed was not asked"
    person.touch_control("share new words")
    assert device.profile.settings.share_new_words is True
    assert "Next it would offer: byu, provo." in shown(page)
    with Membership.open(device.profile.path, device.profile.vault) as membership:
        offered = OfferedWords(COUNT, vocabulary, ("byu",), CountTerms())
        membership.sent(URL, "ab12", "0" * 64, 1, 163_928, clipped=False, offered=offered)
        membership.record_outcome(URL, "ab12", COUNTED)
        zeros = OfferedWords(COUNT, vocabulary, (), CountTerms())
        membership.sent(URL, "ab13", "0" * 64, 0, 163_928, clipped=False, offered=zeros)
    person.screen.refresh_page()
    assert "Next it would offer: provo." in shown(page)
    assert "new words counted: byu" in shown(page) and "none, only zeros were sent" in shown(page)
    status = read_status(device.profile.path)
    assert (
        status.shares_new_words and status.offered_words == ("byu",) and status.as_json()["offered_words"] == ("byu",)
    )
    person.touch_control("share new words")
    assert device.profile.settings.share_new_words is False and "would offer" not in shown(page)
