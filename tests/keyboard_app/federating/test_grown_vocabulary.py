"""Running keyboards take over a model whose vocabulary has grown by words that many people use."""

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.growing.counts_files import Counted, Counts
from federation.growing.grown_model import Language, grow
from federation.growing.private_phrases import add_counts
from federation.phrases import make_phrases
from federation.protocol.exchange_folder import Mailbox
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from model.device.folder import Model, save_model
from model.device.suggesting.lexicon import Lexicon, make_filter
from model.device.suggesting.personal import PersonalNgram
from model.device.weights import digest
from tests.keyboard_app.federating.in_process import Coordinator, Keyboard
from tests.keyboard_app.federating.test_other_vocabulary import commit, take_over
from tests.keyboard_app.ranked import own_words

FOUND = Counts((Counted("zebra", 9), Counted("quokka", 5)), 10, 20)
LINES = ["meet zebra at the hall", "i like zebra", "meet zebra tonight"] * 6


@pytest.fixture(scope="module")
def parent(two_vocabularies: tuple[Model, Model]) -> Model:
    """Returns a small model with a lexicon and phrases, whose program has rows to spare."""
    model = two_vocabularies[0]
    size, vocabulary = len(model.vocabulary), model.vocabulary
    some = np.full(size, 4, np.float16)
    none = make_filter([])
    lexicon = Lexicon(vocabulary.sha256, some, some, np.zeros(size, np.uint32), none, none)
    phrases = make_phrases([vocabulary.encode("see you at the hall")] * 3, vocabulary, 3, "made up")
    return replace(model, lexicon=lexicon, phrases=replace(phrases, weight=0.5))


@pytest.fixture(scope="module")
def grown(parent: Model) -> Model:
    """Returns the model with two more words and a phrase of one of them."""
    model = grow(parent, FOUND, Language({}, lambda _: [], ())).model
    assert model.phrases is not None
    counts = Counts((Counted("like quokka", 9), Counted("quokka", 9)), 10)
    return replace(model, phrases=add_counts(model.phrases, counts, model.vocabulary, 10.0))


def test_a_running_keyboard_suggests_words_that_its_person_never_typed(
    parent: Model, grown: Model, tmp_path: Path
) -> None:
    save_model(tmp_path / "parent", parent)
    save_model(tmp_path / "grown", grown)
    with Device.open(tmp_path / "profile", tmp_path / "parent", consenting=True) as device:
        for line in LINES:
            device._record(line)
        run(Learning(device.profile, device.models))
        models = device.models
        assert "zebra" in own_words(models) and not models.suggest("i ", "quok")
        Mailbox(tmp_path / "profile").release(tmp_path / "grown")
        device.serve()
        assert digest(models.global_model.weights) == digest(grown.weights)
        assert models.suggest("i like ", "quok") == ["quokka"], "a word of other people"
        assert "quokka" in models.suggest("i like ", ""), "their phrase"
        assert models.correct("i like ", "quokka") is None, "it is not taken for a typo"
        assert "zebra" not in own_words(models), "a personal word has become everybody's"
        device.background.wait()
        _check_phrases(device, grown)


def _check_phrases(device: Device, grown: Model) -> None:
    """Checks that the person's phrases, and those of the public text, mean the same words as before."""
    found = device.models._ngram.frozen()
    expected = PersonalNgram(grown.vocabulary, LINES, trust=found.trust)
    network = np.full(len(grown.vocabulary), 1 / len(grown.vocabulary), np.float32)
    meet = [grown.vocabulary.id("meet")]
    np.testing.assert_allclose(found.probabilities(network, meet), expected.probabilities(network, meet), rtol=1e-6)
    assert found.probabilities(network, meet).argmax() == grown.vocabulary.id("zebra")
    assert grown.phrases is not None
    see = [grown.vocabulary.id("see")]
    assert grown.phrases.probabilities(see).argmax() == grown.vocabulary.id("you")


def test_rounds_go_on_over_the_grown_vocabulary(parent: Model, grown: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "parent", parent)
    coordinator = Coordinator(tmp_path / "coordinator", tmp_path / "parent")
    try:
        keyboards = [Keyboard(coordinator, tmp_path / f"keyboard-{n}", n, secrets.randbits) for n in range(3)]
        rounds = coordinator.world.coordinator.rounds
        commit(coordinator, keyboards)
        take_over(coordinator, grown)
        for keyboard in keyboards:
            assert keyboard.turn() == "received a newer shared model"
            assert keyboard.model.vocabulary.words == grown.vocabulary.words
            assert keyboard.model.lexicon is not None and keyboard.model.phrases is not None
            assert len(keyboard.model.phrases.source_weights) == 2
        commit(coordinator, keyboards)
        assert all(digest(keyboard.model.weights) == rounds.model_digest for keyboard in keyboards)
        assert rounds.model.provenance.round == 3, "the take-over takes a number of its own"
        assert np.abs(rounds.model.weights["output_bias"] - grown.weights["output_bias"])[-2:].max() > 0
    finally:
        coordinator.close()
