"""The shipped models are complete, share what comes from public text, and predict useful words."""

import re
from pathlib import Path

import numpy as np
import pytest

from data.corpus import ChitChat, users_in
from data.tokenizer import PUNCTUATION
from model.device import litert
from model.device.config import ModelConfig, parameters
from model.device.folder import CARD, LEXICON, PHRASES, PRETRAINED, PRIVATE, PUBLIC, VOCABULARY, WEIGHTS, load_model
from model.device.metrics import evaluate
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.trainable import trainable_shapes
from model.device.weights import digest

SHIPPED = pytest.mark.parametrize("folder", [PUBLIC, PRETRAINED, PRIVATE], ids=lambda folder: folder.name)


@SHIPPED
def test_it_has_the_sizes_of_the_paper(folder: Path) -> None:
    model = load_model(folder)
    assert model.provenance.config == ModelConfig()
    assert (model.provenance.round > 0) == (folder != PUBLIC)
    assert ("federate simulate" in model.card) == (folder != PUBLIC)
    assert not model.notice


@SHIPPED
def test_it_is_stored_in_16_bits_and_without_a_program(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, VOCABULARY, LEXICON, PHRASES, CARD}
    assert (folder / WEIGHTS).stat().st_size < 2.1 * parameters(ModelConfig())
    model = load_model(folder)
    halves = {name: array.astype(np.float16).astype(np.float32) for name, array in model.weights.items()}
    assert digest(model.weights) == digest(halves), "its digest is that of the widened weights"


@SHIPPED
@pytest.mark.parametrize("name", [VOCABULARY, LEXICON, PHRASES])
def test_what_comes_from_public_text_is_the_same_in_all_models(name: str, folder: Path) -> None:
    federated = name == PHRASES and folder == PRETRAINED  # these have the counts of people, too
    assert ((folder / name).read_bytes() == (PUBLIC / name).read_bytes()) == (not federated)


def test_only_the_pretrained_model_has_phrases_of_people() -> None:
    for folder, people in ((PUBLIC, ""), (PRIVATE, ""), (PRETRAINED, "; phrases of 1,044 devices")):
        phrases = load_model(folder).phrases
        assert phrases is not None
        assert phrases.sources == f"training users of self-dialogues{people}"


def test_only_the_head_of_the_private_model_was_trained_with_noise() -> None:
    public, private = load_model(PUBLIC), load_model(PRIVATE)
    assert private.provenance.parent == digest(public.weights)
    changed = {name for name, array in public.weights.items() if not np.array_equal(array, private.weights[name])}
    assert changed == set(trainable_shapes(ModelConfig(), "head"))
    rho = re.search(r"rho[^0-9]*([0-9.]+)", private.card)
    assert rho is not None and 0 < float(rho.group(1)) <= 1.78


def test_every_signature_has_an_input_as_the_java_library_requires() -> None:
    interpreter = litert.start(load_model(PRETRAINED).program, threads=1)
    assert all(interpreter.inputs(name) for name in ("train", "evaluate", "step", "get_weights", "set_weights"))


def test_it_predicts_the_words_of_test_users() -> None:
    model, corpus = load_model(PRETRAINED), ChitChat()
    texts = [
        text for user in users_in(corpus, "test") for text, _ in zip(corpus.messages(user), range(5), strict=False)
    ]
    scores = evaluate(model.start(), [model.vocabulary.encode(text) for text in texts])
    assert scores.words > 2_000
    assert scores.top1 >= 0.16


def test_it_suggests_words() -> None:
    model = load_model(PRETRAINED)
    suggested = Suggester(Reader(model.start()), model.vocabulary).suggest("how are")
    assert "you" in suggested
    assert not PUNCTUATION & set(suggested)
