"""A message is recorded when it is sent; its words are ranked afterwards, and those of a long one counted, in short steps."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from keyboard_app.device import Device
from keyboard_app.learning.models import Models
from model.device.folder import Model
from model.device.suggesting.prediction import Prediction, Predictor
from tests.keyboard_app.ranked import own_words, ranks_of

TEXT = "i think we meet at the zebra tonight , what do you think of it ? " * 12
STEPS = 3


def paste(device: Device) -> None:
    device.keyboard.paste(TEXT)
    assert device.keyboard.strip is not None
    device.read_ahead()


def test_no_key_and_no_enter_reads_a_long_text(device: Device, steps: list[int]) -> None:
    paste(device)
    for change in (
        lambda: device.keyboard.move_to(300),
        lambda: device.keyboard.press("a"),
        device.keyboard.select_all,
    ):
        del steps[:]
        change()
        assert device.keyboard.strip is not None
        device.read_ahead()
        assert len(steps) <= 2 * 9 + 2, "the last words of the context, by two networks"
    del steps[:]
    message = device.keyboard.enter()
    assert not steps
    assert [recorded.text for recorded in device.profile.store.messages()] == [message]
    assert device.profile.store.ranks() == []
    while device.catch_up(STEPS):
        assert len(steps) <= 2 * STEPS
        del steps[:]


def test_the_ranks_are_those_before_the_message_was_sent(device: Device, small_model: Model) -> None:
    fresh = Models(small_model, None)
    paste(device)
    device.keyboard.enter()
    sent = device.profile.store.messages()[-1].text
    device.catch_up(2)
    device.keyboard.paste("short")  # what is typed in the meantime changes nothing
    assert device.keyboard.strip is not None
    device.catch_up()
    assert device.profile.store.ranks() == ranks_of(fresh, sent)
    fresh.ngram.learn(sent)
    assert own_words(device.models) == own_words(fresh) == ["zebra"]
    assert device.models.suggest("i think we ", "") == fresh.suggest("i think we ", "")


def test_a_message_of_usual_length_is_ranked_later_and_learned_at_once(
    device: Device, small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Models(small_model, None)
    predicted: list[Sequence[str]] = []
    predict = Predictor.predict

    def spy(predictor: Predictor, words: Sequence[str]) -> Iterator[Prediction]:
        predicted.append(words)
        return predict(predictor, words)

    monkeypatch.setattr(Predictor, "predict", spy)
    for message in ("meet me at the zebra", "the zebra ?"):
        device.keyboard.paste(message)
        device.keyboard.enter()
    assert not predicted
    assert own_words(device.models) == ["zebra"]
    while device.catch_up(STEPS):
        pass
    expected = ranks_of(fresh, "meet me at the zebra")
    fresh.ngram.learn("meet me at the zebra")
    assert device.profile.store.ranks() == expected + ranks_of(fresh, "the zebra ?")


def test_a_keyboard_that_closes_leaves_no_step_to_do(device: Device) -> None:
    device.keyboard.paste(TEXT * 10)
    device.keyboard.enter()
    device.close()
    assert not device.catch_up(1)


def test_a_message_that_is_deleted_meanwhile_leaves_nothing(device: Device) -> None:
    paste(device)
    device.keyboard.enter()
    assert device.sent is not None
    assert device.sent.id is not None
    device.my_data.delete([device.sent.id])
    device.catch_up()
    assert device.profile.store.ranks() == []
    assert own_words(device.models) == []


def test_words_are_counted_once_if_the_models_are_replaced_meanwhile(device: Device) -> None:
    paste(device)
    device.keyboard.enter()
    device.my_data.suggest_by_what_is_left()
    replaced = device.models.suggest("i think we ", "")
    device.catch_up()
    assert device.models.suggest("i think we ", "") == replaced
    assert len(device.profile.store.ranks()) > 100


def test_a_keyboard_that_is_killed_has_the_message(device: Device, tmp_path: Path, small_model_folder: Path) -> None:
    paste(device)
    device.keyboard.enter()
    device.profile.close()  # without the rest of `Device.close`
    with Device.open(tmp_path / "profile", small_model_folder, consenting=True) as again:
        assert [message.text for message in again.profile.store.messages()] == [TEXT.strip()]
        assert own_words(again.models) == ["zebra"]
