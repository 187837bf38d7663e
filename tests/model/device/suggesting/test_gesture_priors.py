"""What suggesters give to gestures and take from touches: priors of words, and the places of taps."""

from collections.abc import Mapping

import numpy as np

from data.vocabulary import SPECIALS
from model.device.folder import Model
from model.device.gliding.geometry import qwerty
from model.device.gliding.hand import Hand
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences

KEYS = qwerty(0, 0, 360, 162)


def test_the_prior_is_that_of_suggestions_and_leaves_out_what_is_never_suggested(small_model: Model) -> None:
    preferences = WordPreferences()
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary, preferences=preferences)
    words, prior = small_model.vocabulary.words, suggester.log_prior("I think ")
    assert prior.shape == (len(words),)
    assert not np.isfinite(prior[: len(SPECIALS)]).any()
    assert not np.isfinite(prior[[words.index(mark) for mark in ".,!?"]]).any()
    likely = suggester.predictor.probabilities(["i", "think"])
    offered = np.isfinite(prior)
    assert offered.sum() == len(words) - len(SPECIALS) - 4
    assert np.ptp(prior[offered] - np.log(likely[offered])) < 1e-3, "equal but for a constant"
    preferences.forgotten.add("climbing")
    assert suggester.log_prior("I think ")[words.index("climbing")] == -np.inf


def test_words_of_ones_own_have_priors(small_model: Model) -> None:
    personal = PersonalNgram(small_model.vocabulary, ["see xiaoming tonight", "see xiaoming"])
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary, personal)
    prior = suggester.log_prior("see ")
    assert prior.shape == (len(personal),)
    assert prior.argmax() == personal.id("xiaoming")


def test_touches_decide_between_neighbours(small_model: Model) -> None:
    suggester, hand = Suggester(Reader(small_model.start()), small_model.vocabulary), Hand()

    def touch(letter: str, right: float) -> Mapping[str, float] | None:
        x, y, width, height = KEYS.boxes[letter]
        return hand.touch_costs(letter, x + width / 2 + right, y + height / 2, KEYS)

    typed = "ropws"  # for "ropes", whose e is right of the w
    towards_e, towards_q = ([None, None, None, touch("w", right), None] for right in (17, -17))
    assert suggester.correct("", typed, towards_e) == "ropes"
    assert suggester.correct("", typed, towards_q) is None, "a w that is far from the e was meant"
    assert "ropes" in suggester.suggest("", typed, touches=towards_e)
    assert suggester.correct("", typed, [None]) == suggester.correct("", typed), "touches of another word are ignored"
