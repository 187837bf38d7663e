"""What is learned of a person's hand: it follows a bias, stays calm without one, is bounded, and survives being stored."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import qwerty
from model.device.gliding.gesture import Gesture
from model.device.gliding.hand import Hand, TouchModel
from model.device.suggesting.corrections import Corrections

KEYS = qwerty(0, 0, 360, 162)


def centre(letter: str) -> np.ndarray:
    x, y, width, height = KEYS.boxes[letter]
    return np.array([x + width / 2, y + height / 2])


def at(letter: str, right: float = 0, down: float = 0) -> tuple[float, float]:
    """Returns a point beside the middle of a key, in pixels."""
    x, y = centre(letter)
    return x + right, y + down


def tapped(offset: tuple[float, float], times: int, spread: float = 0.2, letters: str = "etaoinshr") -> Hand:
    """Returns a hand that tapped and glided each letter with an offset and a spread in units."""
    hand, rng = Hand(), np.random.default_rng(0)
    for letter in letters * times:
        x, y = centre(letter) + KEYS.unit * (np.array(offset) + rng.normal(0, spread, 2))
        hand.taps.learn(letter, x, y, KEYS)
        hand.glides.learn(letter, x, y, KEYS)
    return hand


def test_a_hand_that_nothing_is_known_of_changes_nothing() -> None:
    touches = Hand().taps.of(KEYS.letters)
    assert np.array_equal(touches.offsets, np.zeros((26, 2)))
    assert np.array_equal(touches.spreads, np.ones((26, 2)))


def test_it_learns_the_offset_of_keys_and_of_the_whole_hand() -> None:
    few, many = (tapped((0.1, 0.3), times).taps.of("ez") for times in (2, 40))
    assert many.offsets[0] == pytest.approx([0.1, 0.3], abs=0.06), "a key that was touched often"
    assert many.offsets[1] == pytest.approx([0.1, 0.3], abs=0.06), "a key that never was"
    assert 0 < few.offsets[0, 1] < many.offsets[0, 1], "few touches count for less"
    assert (many.spreads[0] < 1).all(), "a steady hand"


def test_one_key_of_its_own() -> None:
    hand = tapped((0.0, 0.0), 30)
    for _ in range(100):
        hand.taps.learn("p", *at("p", -0.3 * KEYS.unit), KEYS)
    assert hand.taps.of("p").offsets[0, 0] < -0.2
    assert abs(hand.taps.of("e").offsets[0, 0]) < 0.1


def test_old_touches_fade() -> None:
    hand = tapped((0.0, 0.3), 400, letters="e")
    for _ in range(900):
        hand.taps.learn("e", *at("e", 0, -0.3 * KEYS.unit), KEYS)
    assert hand.taps.of("e").offsets[0, 1] == pytest.approx(-0.3, abs=0.05)


def test_touches_that_say_nothing_are_ignored() -> None:
    hand = Hand()
    hand.taps.learn("e", *at("p"), KEYS)
    hand.taps.learn("e", math.nan, 0.0, KEYS)
    hand.taps.learn("é", *at("e"), KEYS)
    hand.learn_glide("2", Gesture([1], [1], [1]), KEYS)
    hand.learn_glide("the", Gesture([], [], []), KEYS)
    assert not hand.taps.sums
    assert not hand.glides.sums


def test_a_glide_shows_where_its_ends_were_touched() -> None:
    hand, (x, y) = Hand(), np.array([at("d", 0, 9), at("n"), at("t", 0, -9)]).T
    for _ in range(50):
        hand.learn_glide("don't", Gesture(x, y, [0, 90, 180]), KEYS)
    assert set(hand.glides.sums) == {"d", "t"}
    assert hand.glides.of("d").offsets[0, 1] > 0.1 > -0.1 > hand.glides.of("t").offsets[0, 1]
    assert not hand.taps.sums, "taps are another matter"


def arrays_of(hand: Hand) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, model in (("taps", hand.taps), ("glides", hand.glides)):
        arrays[f"{name}_letters"] = np.array([ord(letter) for letter in model.sums], np.uint32)
        arrays[name] = np.array(list(model.sums.values()), np.float64).reshape(-1, 5)
    return arrays


offsets = st.tuples(st.sampled_from("qaz"), st.floats(-100, 500), st.floats(-100, 500))


@given(st.lists(offsets, max_size=30))
def test_offsets_and_spreads_are_bounded_and_survive_storage(touches: list[tuple[str, float, float]]) -> None:
    hand = Hand()
    for letter, x, y in touches:
        hand.taps.learn(letter, x, y, KEYS)
    found = hand.taps.of(KEYS.letters)
    assert (np.abs(found.offsets) < 0.5).all()
    assert ((found.spreads > 0.6) & (found.spreads < 1.5)).all()
    again = Hand.from_arrays(arrays_of(hand)).taps.of(KEYS.letters)
    assert np.array_equal(again.offsets, found.offsets)
    assert np.array_equal(again.spreads, found.spreads)


@pytest.mark.parametrize(
    "damage",
    [
        {"taps": np.zeros((2, 4))},
        {"taps": np.full((1, 5), np.nan), "taps_letters": np.array([97], np.uint32)},
        {"taps": np.array([[-1.0, 0, 0, 0, 0]]), "taps_letters": np.array([97], np.uint32)},
        {"taps": np.array([[1.0, 9, 0, 81, 0]]), "taps_letters": np.array([97], np.uint32)},
        {"taps": np.ones((2, 5)), "taps_letters": np.array([97, 97], np.uint32)},
        {"taps": np.ones((1, 5)), "taps_letters": np.array([2**31], np.uint32)},
    ],
)
def test_damaged_arrays_are_refused(damage: dict) -> None:
    with pytest.raises(ValueError, match="hand"):
        Hand.from_arrays(arrays_of(Hand()) | damage)
    with pytest.raises(ValueError, match="lacks"):
        Hand.from_arrays({})


def test_the_place_of_a_tap_says_which_neighbour_was_meant() -> None:
    hand = Hand()
    in_the_middle, at_the_edge = hand.touch_costs("r", *at("r"), KEYS), hand.touch_costs("R", *at("r", -17), KEYS)
    assert in_the_middle is not None and at_the_edge is not None
    assert in_the_middle["e"] == pytest.approx(in_the_middle["t"]) == pytest.approx(5.5, abs=0.5), "as any typo"
    assert at_the_edge["e"] == 1.0 < in_the_middle["e"]
    assert "t" not in at_the_edge, "far off"
    to_the_left = tapped((-0.3, 0.0), 40).touch_costs("e", *at("e", 10), KEYS)
    usual = hand.touch_costs("e", *at("e", 10), KEYS)
    assert to_the_left is not None and usual is not None
    assert to_the_left["r"] < usual["r"], "this hand lands left of its keys"
    assert hand.touch_costs("é", 0, 0, KEYS) is None
    assert hand.touch_costs("e", math.nan, 0, KEYS) is None


def test_corrections_take_the_touches_into_account() -> None:
    words = ["rest", "test", "west"]
    corrections, hand = Corrections(words), Hand()
    left, right = (hand.touch_costs("e", *at("e", dx), KEYS) for dx in (-16, 16))
    plain = corrections.costs("eest", ended=True)
    assert plain[0] == plain[2], "r and w are both neighbours of e"
    towards_w, towards_r = (
        corrections.costs("eest", ended=True, touches=[touch, None, None, None]) for touch in (left, right)
    )
    assert towards_w[2] < plain[2] < towards_w[0]
    assert towards_r[0] < plain[0] < towards_r[2]
    for touch in (left, right):
        costs = corrections.costs("eest", touches=[touch, None, None, None])
        assert (corrections.least("eest", [touch, None, None, None]) <= costs).all()


def test_it_helps_a_biased_hand_and_never_harms_an_unbiased_one() -> None:
    words = [
        "to",
        "go",
        "it",
        "or",
        "if",
        "of",
        "is",
        "us",
        "as",
        "in",
        "on",
        "up",
        "so",
        "do",
        "an",
        "at",
        "me",
        "he",
        "we",
        "be",
    ]
    words += [
        "the",
        "and",
        "you",
        "for",
        "but",
        "not",
        "was",
        "are",
        "get",
        "got",
        "see",
        "say",
        "day",
        "way",
        "may",
        "pay",
        "bad",
    ]
    frequencies = np.zeros(len(words))

    def share_right(offset: tuple[float, float], learn: bool) -> float:
        rng, hand, right = np.random.default_rng(1), Hand(), []
        for number in range(4 * len(words)):
            word = words[number % len(words)]
            points = np.array([centre(letter) for letter in word])
            points = points + KEYS.unit * (np.array(offset) + rng.normal(0, 0.25, points.shape))
            at = np.linspace(0, len(points) - 1, 12 * len(points))
            x, y = (np.interp(at, np.arange(len(points)), points[:, axis]) for axis in (0, 1))
            gesture = Gesture(x, y, 12.0 * np.arange(len(at)))
            if number % len(words) == 0:
                decoder = GlideDecoder(words, KEYS, frequencies, hand if learn else None)
            right.append(decoder.decode(gesture, count=1)[0].word == word)
            hand.learn_glide(word, gesture, KEYS)
        return float(np.mean(right[len(words) :]))

    assert share_right((0.25, 0.4), learn=True) > share_right((0.25, 0.4), learn=False) + 0.02
    assert share_right((0.0, 0.0), learn=True) >= share_right((0.0, 0.0), learn=False) - 0.01


def test_a_decoder_is_not_changed_by_a_hand_that_learns_on() -> None:
    hand = TouchModel({"e": np.array([1.0, 0.1, 0.1, 0.02, 0.02])})
    before = GlideDecoder(["the", "tee"], KEYS, hand=Hand(glides=hand))
    gesture = Gesture([162, 198, 90], [27, 81, 27], [0, 100, 200])
    scores = before.decode(gesture)
    for _ in range(50):
        hand.learn("e", *at("e", 10, 10), KEYS)
    assert before.decode(gesture) == scores
