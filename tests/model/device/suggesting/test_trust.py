"""The trust in a person's n-grams, on messages of real people and with the shipped model."""

from functools import cache

import numpy as np
import pytest

from data.corpus import ChitChat
from data.generators import result_of
from data.tokenizer import tokenize
from model.device.folder import PRETRAINED, Model, load_model
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.trust import TRUSTS, choose_trust, log_likelihoods

# Two validation users.
ONE, ANOTHER = "6613498d-8057-4688-9a4b-c05229c9723a", "7a77345f-91db-42d4-9905-fe14b615cf26"


@pytest.fixture(scope="module")
def shipped() -> Model:
    return load_model(PRETRAINED)


@cache
def messages_of(user: str) -> list[str]:
    return list(ChitChat().messages(user))


def written(user: str, first: int, last: int) -> list[str]:
    """Returns the user's messages that begin within a range of words."""
    messages = messages_of(user)
    starts = np.cumsum([0, *(len(tokenize(text)) for text in messages)])
    return [text for text, start in zip(messages, starts, strict=False) if first <= start < last]


def test_likelihoods_equal_those_of_a_keyboard_for_each_trust(shipped: Model) -> None:
    """Compares a single run of the network with one keyboard per trust and message."""
    program = shipped.start()
    older, newest = written(ONE, 0, 400), written(ONE, 400, 430)
    direct = []
    for trust in TRUSTS:
        total = 0.0
        for number, text in enumerate(newest):
            personal = PersonalNgram(shipped.vocabulary, older + newest[:number], trust=trust)
            suggester = Suggester(Reader(program), shipped.vocabulary, personal)
            predictions = suggester.predictor.predictions([token.word for token in tokenize(text)])
            total += sum(p.log_likelihood for p in predictions)
        direct.append(total)
    found = result_of(log_likelihoods(program, shipped.vocabulary, older, newest))
    np.testing.assert_allclose(found, direct, rtol=1e-5)
    assert len(set(direct)) == len(TRUSTS)


def test_repeated_phrases_raise_the_trust(shipped: Model) -> None:
    older, again = written(ONE, 0, 1_000), written(ONE, 800, 1_000)
    assert result_of(choose_trust(shipped.start(), shipped.vocabulary, older, again)) > USUAL_TRUST


def test_a_change_of_style_lowers_the_trust(shipped: Model) -> None:
    older, newest = written(ONE, 0, 3_000), written(ANOTHER, 0, 900)
    assert result_of(choose_trust(shipped.start(), shipped.vocabulary, older, newest)) < USUAL_TRUST


def test_a_few_messages_change_nothing(shipped: Model) -> None:
    older, again, other = written(ONE, 0, 1_000), written(ONE, 990, 1_000), written(ANOTHER, 0, 20)
    found = result_of(log_likelihoods(shipped.start(), shipped.vocabulary, older, again))
    assert TRUSTS[found.argmax()] > USUAL_TRUST, "more would have been a little better"
    for newest in (again, other, []):
        assert result_of(choose_trust(shipped.start(), shipped.vocabulary, older, newest)) == USUAL_TRUST
