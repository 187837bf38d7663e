"""The model that is shipped: whole, of training users' words only, and good for something."""

from data.corpus import ChitChat, users_in
from data.tokenizer import PUNCTUATION
from data.vocabulary import Vocabulary
from model.device import litert
from model.device.config import ModelConfig
from model.device.folder import PRETRAINED, load_model
from model.device.metrics import evaluate
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


def test_it_is_the_model_of_the_paper_trained_by_rounds() -> None:
    model = load_model(PRETRAINED)
    assert model.provenance.config == ModelConfig()
    assert model.provenance.round > 0
    assert "federate simulate" in model.card


def test_its_program_runs_by_java_too_which_refuses_a_signature_without_inputs() -> None:
    interpreter = litert.start(load_model(PRETRAINED).program, threads=1)
    assert all(interpreter.inputs(name) for name in ("train", "evaluate", "step", "get_weights", "set_weights"))


def test_its_vocabulary_is_made_of_training_users_alone() -> None:
    corpus = ChitChat()
    rebuilt = Vocabulary.build((corpus.messages(user) for user in users_in(corpus, "train")), 10_000, min_users=3)
    assert rebuilt.words == load_model(PRETRAINED).vocabulary.words


def test_it_predicts_what_test_users_wrote() -> None:
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
