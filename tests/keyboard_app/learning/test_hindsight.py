"""What the public and the newest global model would have offered for the words that a person typed."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from keyboard_app.device import Device
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import run
from keyboard_app.learning.hindsight import Curves, Hindsight, ModelComparison
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.user_profile import HINDSIGHT
from model.device.folder import Model, save_model
from model.device.suggesting.prediction import Prediction, Predictor
from model.device.suggesting.reading import Reader
from model.device.weights import digest, initial_weights

LINES = ["i think you are good .", "so good it is !", "zebra you are"]


@pytest.fixture
def public(small_model: Model, tmp_path: Path) -> Path:
    """Returns the folder of a public model: other weights, and `good` is not in its vocabulary."""
    words = ["bad" if word == "good" else word for word in small_model.vocabulary.words]
    vocabulary = Vocabulary(words)
    provenance = replace(small_model.provenance, vocabulary_sha256=vocabulary.sha256)
    model = replace(
        small_model,
        weights=initial_weights(small_model.provenance.config, seed=5),
        vocabulary=vocabulary,
        provenance=provenance,
    )
    folder = tmp_path / "public"
    save_model(folder, model)
    return folder


@pytest.fixture
def typed(device: Device, public: Path) -> Device:
    """Returns a device on which a few messages were typed."""
    device.public = public
    for line in LINES:
        type_message(device.keyboard, line)
    device.catch_up()
    return device


def curves(device: Device) -> Curves | None:
    return Curves.read(device.profile, device.models, device.public)


def compare(device: Device) -> None:
    run(ModelComparison(device.profile, device.models, device.public))


def ranks_by(model: Model, text: str) -> list[int | None]:
    words = [token.word for token in tokenize(text)]
    return [p.rank for p in Predictor(Reader(model.start()), model.vocabulary).predict(words)]


def test_the_curves_are_the_ranks_of_the_words_that_all_models_know(typed: Device, public: Path) -> None:
    from model.device.folder import load_model

    recorded = typed.profile.store.ranked_messages()
    assert curves(typed) is None, "nothing is compared yet"
    compare(typed)
    found = curves(typed)
    assert found is not None
    expected = [
        (start, shared, own.rank)
        for message, text in zip(recorded, (m.text for m in typed.profile.store.messages()), strict=True)
        for start, shared, own in zip(
            ranks_by(load_model(public), text), ranks_by(typed.models.global_model, text), message.ranks, strict=True
        )
        if None not in (start, shared, own.rank)
    ]
    assert found.public is not None
    assert list(zip(found.public, found.shared, found.personal, strict=True)) == expected
    assert 0 < len(expected) < sum(len(message.ranks) for message in recorded), "good and zebra are left out"


def test_without_a_public_model_its_curve_is_left_out(typed: Device, tmp_path: Path) -> None:
    typed.public = tmp_path / "missing"
    compare(typed)
    found = curves(typed)
    assert found is not None
    assert found.public is None
    assert len(found.shared) == len(found.personal) > 0


def test_a_model_reads_a_message_once(typed: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(typed)
    type_message(typed.keyboard, LINES[0])
    read: list[Any] = []
    predict = Predictor.predict

    def spy(predictor: Predictor, words: Sequence[str]) -> Iterator[Prediction]:
        read.append(words)
        return predict(predictor, words)

    monkeypatch.setattr(Predictor, "predict", spy)
    compare(typed)
    assert len(read) == 2, "the new message, by two models"
    compare(typed)
    assert len(read) == 2


def test_one_network_at_a_time(typed: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    network = Model.network

    def spy(model: Model) -> Any:
        gc.collect()
        assert all(earlier() is None for earlier in made)
        made.append(weakref.ref(found := network(model)))
        return found

    monkeypatch.setattr(Model, "network", spy)
    compare(typed)
    assert len(made) == 2


def test_a_deletion_removes_the_ranks(typed: Device) -> None:
    task = ModelComparison(typed.profile, typed.models, typed.public)
    compare(typed)
    file = typed.profile.path / HINDSIGHT
    assert file.exists()
    for _ in task.work():
        pass
    typed.my_data.delete([1])
    assert not file.exists()
    task.finish()  # of a comparison that had begun before
    assert not file.exists()
    compare(typed)
    kept = Hindsight.load(file, typed.profile.vault).ranks
    assert kept.keys() == {digest(typed.models.global_model.weights), *kept} and len(kept) == 2
    assert all(by_message.keys() == {2, 3} for by_message in kept.values())


@pytest.mark.parametrize("content", [b"", b"damaged", b"\0" * 100])
def test_a_damaged_file_is_worked_out_again(typed: Device, content: bytes) -> None:
    compare(typed)
    before = curves(typed)
    (typed.profile.path / HINDSIGHT).write_bytes(content)
    assert curves(typed) is None
    compare(typed)
    assert curves(typed) == before


def test_models_are_compared_in_a_rest_after_learning(typed: Device) -> None:
    typed.choose(consent=True)
    assert not typed.automatic.compare_models_if_due(rested=60), "it has not learned yet"
    for _ in range(20):
        type_message(typed.keyboard, LINES[0])
    run(Learning(typed.profile, typed.models))
    assert not typed.automatic.compare_models_if_due(rested=5)
    assert not typed.automatic.compare_models_if_due(rested=60, charging=False)
    assert typed.automatic.compare_models_if_due(rested=60)
    typed.background.wait()
    assert curves(typed) is not None
    assert not typed.automatic.compare_models_if_due(rested=60), "nothing has changed since"
