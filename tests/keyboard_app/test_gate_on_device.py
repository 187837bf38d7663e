"""The gate in a keyboard with the shipped model: two real people's messages, and what the keyboard does and says."""

import json
from pathlib import Path

import pytest

from data.corpus import ChitChat, users_in
from data.tokenizer import tokenize
from keyboard_app.cli import main
from keyboard_app.device import Device
from keyboard_app.learning import Learning, relearning
from keyboard_app.profile import PERSONAL
from keyboard_app.worker import run


@pytest.fixture(scope="module")
def people() -> list[list[str]]:
    """The newest 1,500 words and more of three validation users."""
    corpus, found = ChitChat(), []
    for user in users_in(corpus, "validation"):
        messages, words = [], 0
        for text in reversed(list(corpus.messages(user))):
            if words >= 1_500:
                found.append(messages)
                break
            messages.insert(0, text)
            words += len(tokenize(text))
        if len(found) == 5:
            return found[2:]
    raise AssertionError("the corpus has fewer such people")


def record(device: Device, messages: list[str]) -> None:
    """Records messages as if they were sent; nothing was predicted."""
    for text in messages:
        device.profile.store.add_message(text, [])
        device.models.learn(text)


def test_a_keyboard_that_somebody_else_goes_on_typing_on_keeps_its_old_network(
    tmp_path: Path, people: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with Device.open(tmp_path) as device:
        somebody, somebody_else = people[1], people[2]
        record(device, somebody + somebody_else[: len(somebody_else) // 5])
        assert "kept the old model: on the newest" in run(Learning(device.profile, device.models))
        assert not device.models.personalized
        assert not (tmp_path / PERSONAL).exists()
        assert relearning(device.profile, device.models) is None, "what was refused is not learned again at each start"
    assert main(["status", "--json", "--profile", str(tmp_path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["gate"]["kept"] == "old"
    assert status["gate"]["words"] > 100
    assert status["personal_model"] is False
    assert main(["status", "--profile", str(tmp_path)]) == 0
    assert "kept the old model: recall at 3 on" in capsys.readouterr().out


def test_a_keyboard_that_its_owner_goes_on_typing_on_gets_the_new_one(
    tmp_path: Path, people: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with Device.open(tmp_path) as device:
        record(device, people[1])
        assert "kept the new model: on the newest" in run(Learning(device.profile, device.models))
        assert device.models.personalized
        assert (tmp_path / PERSONAL).exists()
    assert main(["status", "--json", "--profile", str(tmp_path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["gate"]["kept"], status["personal_model"]) == ("new", True)
    assert status["own_words"] > 0
