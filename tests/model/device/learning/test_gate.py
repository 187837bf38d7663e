"""The gate on messages of real people: a person's own words improve the network for that person and not for another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpus import ChitChat, users_in
from data.generators import result_of
from data.tokenizer import tokenize
from model.device.folder import PRETRAINED, Model, load_model
from model.device.learning.finetuning import FineTuning, finetune
from model.device.learning.gate import Verdict, held_back_from, judge, prequential
from model.device.metrics import Scores
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.weights import Weights

LEARNED, NEXT = 1_000, 150  # words


def part(messages: list[str], first: int, last: int) -> list[str]:
    """Returns the messages that begin within a range of words."""
    starts = np.cumsum([0, *(len(tokenize(text)) for text in messages)])
    return [text for text, start in zip(messages, starts, strict=False) if first <= start < last]


@pytest.fixture(scope="module")
def people() -> list[list[str]]:
    """Returns the newest 3,000 words of three validation users who wrote at least 1,500."""
    corpus = ChitChat()
    found: list[list[str]] = []
    for user in users_in(corpus, "validation"):
        messages: list[str] = []
        words = 0
        for text in reversed(list(corpus.messages(user))):
            if words >= 3_000:
                break
            messages.insert(0, text)
            words += len(tokenize(text))
        if words > 1_500:
            found.append(messages)
        if len(found) == 5:
            return found[2:]
    raise AssertionError("the corpus has fewer such people")


@pytest.fixture(scope="module")
def shipped() -> Model:
    return load_model(PRETRAINED)


@pytest.fixture(scope="module")
def personal_weights(shipped: Model, people: list[list[str]]) -> list[Weights]:
    """Returns the network that each person's keyboard learns."""
    program, found = shipped.start(), []
    for messages in people:
        program.weights = shipped.weights
        encoded = [shipped.vocabulary.encode(text) for text in part(messages, 0, LEARNED)]
        for _ in finetune(program, encoded, FineTuning(), np.random.default_rng(0)):
            pass
        found.append(program.weights)
    return found


@pytest.mark.parametrize(
    ("learned_from", "newest_of"), [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (2, 1)], ids=lambda n: "abc"[n]
)
def test_the_gate_keeps_networks_that_help_and_refuses_those_of_another_person(
    shipped: Model, people: list[list[str]], personal_weights: list[Weights], learned_from: int, newest_of: int
) -> None:
    older = part(people[learned_from], 0, LEARNED)
    newest = part(people[newest_of], LEARNED, LEARNED + NEXT)
    new = personal_weights[learned_from]
    judging = judge(shipped.start(), shipped.vocabulary, shipped.weights, new, older + newest, len(older))
    verdict = result_of(judging)
    assert verdict.new.words == verdict.old.words > 100
    assert verdict.kept == ("new" if learned_from == newest_of else "old")


def test_the_gate_scores_messages_as_the_keyboard_does(shipped: Model, people: list[list[str]]) -> None:
    """Predicts each held-out message before counting it, and after counting the messages before it."""
    older, newest = part(people[0], 0, 200), part(people[0], 200, 260)
    found = result_of(prequential(shipped.start(), shipped.vocabulary, older, newest))
    hits = 0
    for number, text in enumerate(newest):
        personal = PersonalNgram(shipped.vocabulary, older + newest[:number])
        suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, personal)
        predictions = suggester.predictor.predictions([token.word for token in tokenize(text)])
        hits += sum(p.rank == 0 for p in predictions if p.word < len(shipped.vocabulary))
    assert found.first == hits > 0


def test_equal_scores_keep_the_new_network_and_no_words_keep_the_old() -> None:
    assert Verdict(Scores(5, 0, 1, 2, -9.0), Scores(5, 0, 1, 2, -9.0)).kept == "new"
    assert Verdict(Scores(5, 0, 1, 2, -9.0), Scores(5, 0, 3, 4, -9.1)).kept == "old"
    assert Verdict(Scores(), Scores()).kept == "old"


@given(st.lists(st.integers(0, 400), max_size=60))
def test_messages_that_were_trained_on_are_never_held_out_later(lengths: list[int]) -> None:
    borders = [held_back_from(lengths[:n]) for n in range(len(lengths) + 1)]
    assert borders == sorted(borders)
    assert all(border <= n for n, border in enumerate(borders))
    held = sum(lengths[borders[-1] :])
    assert held >= min(sum(lengths), max(50, min(0.1 * sum(lengths), 1_000)))
    if borders[-1] < len(lengths):
        assert sum(lengths[borders[-1] + 1 :]) <= max(50, min(0.1 * sum(lengths), 1_000))
