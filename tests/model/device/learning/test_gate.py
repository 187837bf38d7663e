"""The gate before real people: what one wrote makes the network better at what the same one wrote next, and worse at another's."""

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
    """The messages that begin at one of these words."""
    starts = np.cumsum([0, *(len(tokenize(text)) for text in messages)])
    return [text for text, start in zip(messages, starts, strict=False) if first <= start < last]


@pytest.fixture(scope="module")
def people() -> list[list[str]]:
    """The newest 3,000 words of three validation users who wrote at least half as many."""
    corpus, found = ChitChat(), []
    for user in users_in(corpus, "validation"):
        messages, words = [], 0
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
    """What each person's keyboard learns."""
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
def test_it_accepts_who_profits_and_refuses_who_writes_otherwise_now(
    shipped: Model, people: list[list[str]], personal_weights: list[Weights], learned_from: int, newest_of: int
) -> None:
    older = part(people[learned_from], 0, LEARNED)
    newest = part(people[newest_of], LEARNED, LEARNED + NEXT)
    new = personal_weights[learned_from]
    judging = judge(shipped.start(), shipped.vocabulary, shipped.weights, new, older + newest, len(older))
    verdict = result_of(judging)
    assert verdict.new.words == verdict.old.words > 100
    assert verdict.kept == ("new" if learned_from == newest_of else "old")


def test_it_judges_as_the_keyboard_types(shipped: Model, people: list[list[str]]) -> None:
    """Each held-back message is predicted before it is counted, and the ones before it are counted by then."""
    older, newest = part(people[0], 0, 200), part(people[0], 200, 260)
    found = result_of(prequential(shipped.start(), shipped.vocabulary, older, newest))
    hits = 0
    for number, text in enumerate(newest):
        personal = PersonalNgram(shipped.vocabulary, older + newest[:number])
        suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, personal)
        predictions = suggester.predictions([token.word for token in tokenize(text)])
        hits += sum(p.rank == 0 for p in predictions if p.word < len(shipped.vocabulary))
    assert found.first == hits > 0


def test_equals_keep_the_new_and_nothing_keeps_the_old() -> None:
    assert Verdict(Scores(5, 0, 1, 2, -9.0), Scores(5, 0, 1, 2, -9.0)).kept == "new"
    assert Verdict(Scores(5, 0, 1, 2, -9.0), Scores(5, 0, 3, 4, -9.1)).kept == "old"
    assert Verdict(Scores(), Scores()).kept == "old"


@given(st.lists(st.integers(0, 400), max_size=60))
def test_what_the_network_in_use_was_trained_on_is_never_held_back_later(lengths: list[int]) -> None:
    borders = [held_back_from(lengths[:n]) for n in range(len(lengths) + 1)]
    assert borders == sorted(borders)
    assert all(border <= n for n, border in enumerate(borders))
    held = sum(lengths[borders[-1] :])
    assert held >= min(sum(lengths), max(50, min(0.1 * sum(lengths), 1_000)))
    if borders[-1] < len(lengths):
        assert sum(lengths[borders[-1] + 1 :]) <= max(50, min(0.1 * sum(lengths), 1_000))
