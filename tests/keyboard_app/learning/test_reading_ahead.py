"""Reading ahead: keys need not wait for the networks, and suggestions and ranks are the same with it and without."""

import pytest

from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.learning.models import Models
from model.device.folder import Model
from tests.keyboard_app.ranked import ranks_of

MESSAGES = ["i think you are good .", "what do you think of it ?", "meet me at the climbing hall at seven"] * 4
TEXT = "I think we meet at the zoo, tonight"


def learned(device: Device) -> None:
    for message in MESSAGES:
        device.profile.store.add_message(message, [])
        device.models.ngram.learn(message)
    run(Learning(device.profile, device.models))
    assert device.models.personalized


@pytest.mark.parametrize("personal", [False, True], ids=["global", "personal"])
def test_ending_a_word_and_sending_need_no_step_of_a_network(device: Device, steps: list[int], personal: bool) -> None:
    if personal:
        learned(device)
    assert device.keyboard.strip  # shown before the first key
    device.read_ahead()
    for letter in TEXT:
        device.keyboard.press(letter)
        del steps[:]
        offered = device.keyboard.strip
        # A comma is not part of a word to read ahead, and the space after it adds no token.
        assert len(steps) == (letter == ","), f"typing {letter!r}"
        device.read_ahead()
        assert device.keyboard.strip == offered
    del steps[:]
    device.keyboard.enter()
    assert not steps
    assert device.keyboard.strip
    assert not steps, "the start of a message was read before"


@pytest.mark.parametrize("personal", [False, True], ids=["global", "personal"])
def test_ranks_equal_those_of_models_that_have_read_nothing_ahead(
    device: Device, small_model: Model, personal: bool
) -> None:
    if personal:
        learned(device)
    written = [message.text for message in device.profile.store.learnable()]
    fresh = Models(small_model, None, written, device.models.ngram_trust)
    if device.models.personal is not None:
        fresh.use_personal(device.models.personal)
    for letter in TEXT:
        device.keyboard.press(letter)
        assert device.keyboard.strip
        device.read_ahead()
    device.keyboard.enter()
    device.catch_up()
    recorded = device.profile.store.ranked_messages()[-1].ranks
    assert recorded == ranks_of(fresh, TEXT)
    assert any(ranks.rank is not None for ranks in recorded)


def test_the_word_read_ahead_is_corrected_as_a_space_would(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.keyboard, "_correct", lambda _context, word: "think" if word == "thonk" else None)
    for text, ahead in (("i thonk", "i think"), ("i th", "i th"), ("i think ", "i think "), ("", "")):
        device.keyboard.text = text
        assert device.keyboard.ahead == ahead
        device.keyboard.space()
        assert device.keyboard.text.strip() == ahead.strip()


def test_a_network_types_as_it_was_trained(device: Device) -> None:
    """The program that learned is also used to type, so training must leave no state in it."""
    learned(device)
    weights = device.models.personal
    assert weights is not None
    another = Models(device.models.global_model, None, [m.text for m in device.profile.store.learnable()])
    another.ngram_trust = device.models.ngram_trust
    another.use_personal(weights)
    for context in ("", "i think ", "what do you think of "):
        assert device.models.suggest(context, "") == another.suggest(context, "")
    assert ranks_of(device.models, TEXT) == ranks_of(another, TEXT)
