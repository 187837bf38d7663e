"""The weight of a person's n-grams in a keyboard with the shipped model: learned, saved, used, and reset with the global model."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.corpus import ChitChat
from data.tokenizer import tokenize
from federation.evaluation.personalization import learn
from keyboard_app.cli import main
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from model.device.folder import PRETRAINED, Model, load_model
from model.device.learning.finetuning import PERSONAL_TRAINING
from model.device.suggesting.personal import USUAL_TRUST
from model.device.weights import digest

# Two validation users.
OWNER, SOMEBODY_ELSE = "6613498d-8057-4688-9a4b-c05229c9723a", "7a77345f-91db-42d4-9905-fe14b615cf26"


def written(user: str, words: int) -> list[str]:
    """Returns the user's first messages, up to a number of words."""
    messages = list(ChitChat().messages(user))
    typed = np.cumsum([len(tokenize(text)) for text in messages])
    return messages[: int(np.searchsorted(typed, words)) + 1]


def record(device: Device, messages: list[str]) -> None:
    """Records messages as if they were sent, without ranks."""
    for text in messages:
        device.profile.store.add_message(text, [])
        device.models.ngram.learn(text)


def status(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict, str]:
    assert main(["status", "--json", "--profile", str(path)]) == 0
    for_programs = json.loads(capsys.readouterr().out)
    assert main(["status", "--profile", str(path)]) == 0
    return for_programs, capsys.readouterr().out


def changed(model: Model) -> Model:
    return model.with_weights({name: array * 0.9 for name, array in model.weights.items()}, model.provenance)


def test_the_weight_is_learned_saved_and_reset_with_the_global_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = written(OWNER, 1_000)
    messages += messages[-30:]  # repeated, so that n-grams predict them well
    with Device.open(tmp_path) as device:
        record(device, messages)
        assert device.models.ngram_trust == USUAL_TRUST
        assert status(tmp_path, capsys)[0]["ngram_trust"] == USUAL_TRUST
        learning = Learning(device.profile, device.models)
        run(learning)
        assert device.models.ngram_trust == learning.trust > USUAL_TRUST
        shipped = device.models.global_model

        measured = learn(shipped, shipped.start(), messages, PERSONAL_TRAINING, 0)
        assert measured.trust == learning.trust, "the evaluation learns as the keyboard does"
        assert measured.verdict == learning.verdict
        assert measured.new is not None
        assert learning.trained is not None
        assert digest(measured.new) == digest(learning.trained.weights)

    for_programs, for_people = status(tmp_path, capsys)
    assert for_programs["ngram_trust"] == learning.trust
    assert f"own phrases     weighed {learning.trust:g} times as much as usual in suggestions\n" in for_people

    with Device.open(tmp_path) as device:
        assert device.models.ngram_trust == learning.trust, "also at the next start"
        context, suggested = messages[-1].rsplit(" ", 1)[0], {}
        for trust in (learning.trust, 0.0):
            device.models.ngram_trust = trust
            suggested[trust] = device.models.suggest(context, "")
        assert len({tuple(words) for words in suggested.values()}) == 2
        newer = changed(load_model(PRETRAINED))
        device.profile.save_global(newer)
        device.models.use_global(newer, messages)
        assert device.models.ngram_trust == USUAL_TRUST
    with Device.open(tmp_path) as device:
        assert device.models.ngram_trust == USUAL_TRUST, "until the keyboard has learned on the new model"
        assert "weighed as usual" in status(tmp_path, capsys)[1]
        device.resume()
        device.background.wait()
        assert device.models.ngram_trust > USUAL_TRUST


def test_each_learning_chooses_the_weight_again(tmp_path: Path) -> None:
    messages = written(OWNER, 1_000)
    with Device.open(tmp_path) as device:
        record(device, messages + messages[-30:])
        run(Learning(device.profile, device.models))
        before = device.models.ngram_trust
        record(device, written(SOMEBODY_ELSE, 1_000))
        run(Learning(device.profile, device.models))
        assert device.models.ngram_trust < before
        assert device.profile.store.history.ngram_trust(digest(device.models.global_model.weights)) < before
