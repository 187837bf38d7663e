"""The gate in a keyboard with the shipped model, on two real people's messages."""

import json
from pathlib import Path

import pytest

from data.corpus import ChitChat
from keyboard_app.cli import main
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning, relearning
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import PERSONAL

# Two validation users.
OWNER, SOMEBODY_ELSE = "6613498d-8057-4688-9a4b-c05229c9723a", "7a77345f-91db-42d4-9905-fe14b615cf26"


@pytest.fixture(scope="module")
def corpus() -> ChitChat:
    return ChitChat()


def first_part(corpus: ChitChat, user: str, share: float) -> list[str]:
    messages = list(corpus.messages(user))
    return messages[: int(share * len(messages))]


def record(device: Device, messages: list[str]) -> None:
    """Records messages as if they were sent, without ranks."""
    for text in messages:
        device.profile.store.add_message(text, [])
        device.models.ngram.learn(text)


def test_the_gate_keeps_the_old_network_when_somebody_else_types(
    tmp_path: Path, corpus: ChitChat, capsys: pytest.CaptureFixture[str]
) -> None:
    with Device.open(tmp_path) as device:
        record(device, first_part(corpus, OWNER, 0.8) + first_part(corpus, SOMEBODY_ELSE, 0.2))
        model = device.models.global_model
        older = model.with_weights({name: array * 0.9 for name, array in model.weights.items()}, model.provenance)
        device.profile.save_personal(model.weights, older, Seen(0, 0, 0))  # of an older global model
        assert "and kept the old model" in run(Learning(device.profile, device.models))
        assert not device.models.personalized
        assert not (tmp_path / PERSONAL).exists()
        assert relearning(device.profile, device.models) is None, "a refused network is not trained again at each start"
    assert main(["status", "--json", "--profile", str(tmp_path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["gate"]["kept"] == "old"
    assert status["gate"]["words"] > 100
    assert status["gate"]["old_perplexity"] < status["gate"]["new_perplexity"]
    assert status["personal_model"] is False
    assert main(["status", "--profile", str(tmp_path)]) == 0
    assert "kept the old model: on " in capsys.readouterr().out


def test_the_gate_keeps_the_new_network_when_its_owner_types(
    tmp_path: Path, corpus: ChitChat, capsys: pytest.CaptureFixture[str]
) -> None:
    with Device.open(tmp_path) as device:
        record(device, first_part(corpus, OWNER, 0.8))
        assert "and kept the new model" in run(Learning(device.profile, device.models))
        assert device.models.personalized
        assert (tmp_path / PERSONAL).exists()
    assert main(["status", "--json", "--profile", str(tmp_path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["gate"]["kept"], status["personal_model"]) == ("new", True)
    assert status["own_words"] > 0
