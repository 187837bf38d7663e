"""A suggested word is continued while the next word is likely enough; every network step is counted."""

import numpy as np
import pytest

from data.generators import result_of
from data.vocabulary import Vocabulary
from model.device.folder import Model
from model.device.suggesting import continuations
from model.device.suggesting.continuations import MOST_WORDS, continuation
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences
from tests.model.device.suggesting.test_reading import Counting

MESSAGES = ["meet me at the zebra hall tonight"] * 30


@pytest.fixture
def program(small_model: Model) -> Counting:
    return Counting(small_model.start())


@pytest.fixture
def preferences() -> WordPreferences:
    return WordPreferences()


@pytest.fixture
def suggester(small_model: Model, program: Counting, preferences: WordPreferences) -> Suggester:
    vocabulary: Vocabulary = small_model.vocabulary
    personal = PersonalNgram(vocabulary, MESSAGES)
    return Suggester(Reader(program), vocabulary, personal, preferences)  # type: ignore[arg-type]


def test_a_phrase_of_the_person_is_continued_with_words_of_their_own(suggester: Suggester) -> None:
    assert "zebra" not in suggester._vocabulary
    assert "meet" in suggester.suggest("", "mee")
    assert result_of(continuation(suggester, "", "meet")) == ["me", "at", "the", "zebra"][:MOST_WORDS]
    assert result_of(continuation(suggester, "meet me at ", "the")) == ["zebra", "hall", "tonight"]
    assert result_of(continuation(suggester, "", "Meet")) == result_of(continuation(suggester, "", "meet"))


def test_each_word_has_the_probability_that_is_asked_for(suggester: Suggester) -> None:
    context, words = "meet me ", ["at", *result_of(continuation(suggester, "meet me ", "at"))]
    assert len(words) > 1
    for end in range(1, len(words)):
        probabilities = suggester.predictor.probabilities([*context.split(), *words[:end]])
        personal = suggester._personal
        assert personal is not None
        assert probabilities.max() == probabilities[personal.id(words[end])] >= continuations.LEAST_PROBABILITY


def test_nothing_follows_an_unlikely_word(suggester: Suggester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuations, "LEAST_PROBABILITY", 1.0)
    assert result_of(continuation(suggester, "", "meet")) == []


def test_a_forgotten_word_is_not_shown_in_a_phrase(suggester: Suggester, preferences: WordPreferences) -> None:
    preferences.forgotten.add("zebra")
    assert result_of(continuation(suggester, "", "meet")) == ["me", "at", "the"]


def test_a_step_is_taken_between_two_yields_and_the_message_then_needs_none(
    suggester: Suggester, program: Counting
) -> None:
    first = suggester.suggest("meet ", "")
    assert "me" in first
    steps, work, words = program.steps, continuation(suggester, "meet ", "me"), None
    while words is None:
        before = program.steps
        try:
            next(work)
        except StopIteration as end:
            words = end.value
        assert program.steps - before <= 1
    assert words == ["at", "the", "zebra", "hall"]
    assert program.steps == steps + MOST_WORDS, "the word itself and all but the last of those that follow"
    suggester.suggest("meet ", "")
    suggester.suggest("meet ", "m")
    assert program.steps == steps + MOST_WORDS, "the place in the message has not moved"
    suggester.suggest("meet me at the zebra ", "")
    assert program.steps == steps + MOST_WORDS, "taking the phrase up to there needs no step"


def test_it_changes_no_suggestion(small_model: Model, suggester: Suggester) -> None:
    personal = PersonalNgram(small_model.vocabulary, MESSAGES)
    alone = Suggester(Reader(small_model.start()), small_model.vocabulary, personal)
    for context, prefix in (("", ""), ("meet ", ""), ("meet ", "m"), ("meet me at the ", "cl"), ("so ", "")):
        assert suggester.suggest(context, prefix) == alone.suggest(context, prefix)
        for word in suggester.suggest(context, prefix):
            result_of(continuation(suggester, context, word))
        assert np.array_equal(suggester._scores, alone._scores)
