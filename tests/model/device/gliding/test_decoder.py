"""The decoder: words come first for their own paths, whatever the geometry, and no gesture upsets it."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture
from model.device.gliding.hand import Hand
from model.device.gliding.parameters import GlideParameters

WORDS = [
    *(
        "<unk>",
        ".",
        "the",
        "to",
        "too",
        "of",
        "off",
        "don't",
        "dont",
        "hello",
        "help",
        "hell",
        "he'll",
        "sorry",
        "story",
    ),
    *(
        "well",
        "we'll",
        "will",
        "thanks",
        "it's",
        "its",
        "is",
        "us",
        "ll",
        "mmm",
        "café",
        "i",
        "a",
        "something",
        "2",
        "naïve",
    ),
]
KEYS = qwerty(0, 0, 360, 162)
ROWS = {"azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"), "dvorak": ("pyfgcrl", "aoeuidhtns", "qjkxbmwvz")}


def keys_of(rows: tuple[str, ...], width: float = 36, height: float = 54) -> KeyGeometry:
    return KeyGeometry(
        {
            letter: (i * width, row * height, width, height)
            for row, letters in enumerate(rows)
            for i, letter in enumerate(letters)
        }
    )


def glide(word: str, geometry: KeyGeometry = KEYS, pause_at: str = "", points: int = 12) -> Gesture:
    """Returns a clean gesture at a constant speed, with a pause of 150 ms at a letter."""
    bare = {"é": "e", "ï": "i"}
    corners = [geometry.boxes[c] for c in (bare.get(c, c) for c in word if c != "'")]
    places = np.array([(x + w / 2, y + h / 2) for x, y, w, h in corners])
    path, times = [places[0]], [0.0]
    for letter, start, end in zip(word[1:], places, places[1:], strict=False):
        for share in np.linspace(0, 1, points + 1)[1:]:
            path.append(start + (end - start) * share)
            times.append(times[-1] + 12)
        if letter == pause_at:
            times[-1] += 150
    x, y = np.array(path).T
    return Gesture(x, y, times)


def gesture_of(points: np.ndarray, times: np.ndarray) -> Gesture:
    return Gesture(points[:, 0], points[:, 1], times)


def first(decoder: GlideDecoder, gesture: Gesture) -> str:
    return decoder.decode(gesture)[0].word


@pytest.fixture(scope="module")
def decoder() -> GlideDecoder:
    return GlideDecoder(WORDS, KEYS)


@pytest.mark.parametrize(
    "word", ["the", "hello", "help", "sorry", "story", "thanks", "something", "us", "of", "will", "ll"]
)
@pytest.mark.parametrize("layout", ["qwerty", "azerty", "dvorak"])
def test_a_clean_gesture_is_decoded_in_every_layout(word: str, layout: str) -> None:
    geometry = keys_of(ROWS[layout]) if layout in ROWS else KEYS
    assert first(GlideDecoder(WORDS, geometry), glide(word, geometry)) == word


def test_fingers_pass_over_apostrophes_and_accents(decoder: GlideDecoder) -> None:
    assert first(decoder, glide("dont")) == "don't", "the more frequent of the two"
    assert {c.word for c in decoder.decode(glide("dont"))[:2]} == {"don't", "dont"}
    assert first(decoder, glide("cafe")) == "café"
    with_e_acute = KeyGeometry({**KEYS.boxes, "é": (360, 0, 36, 54)})
    assert first(GlideDecoder(["cafe", "café"], with_e_acute), glide("caf")) != ""
    path = glide("cafe", KeyGeometry({**KEYS.boxes, "e": (360, 0, 36, 54)}))
    assert first(GlideDecoder(["cafe", "café"], with_e_acute), path) == "café", "a key of its own"


@pytest.mark.parametrize(("one", "other"), [("to", "too"), ("of", "off"), ("well", "we'll"), ("its", "it's")])
def test_the_prior_chooses_between_words_of_one_path(decoder: GlideDecoder, one: str, other: str) -> None:
    for likely, unlikely in ((one, other), (other, one)):
        prior = np.full(len(WORDS), -8.0)
        prior[WORDS.index(likely)], prior[WORDS.index(unlikely)] = -1.0, -5.0
        assert [c.word for c in decoder.decode(glide(one), prior)[:2]] == [likely, unlikely]


def test_a_pause_says_that_a_letter_is_typed_twice() -> None:
    decoder = GlideDecoder(["holy", "holly"], KEYS, np.zeros(2))

    def lead(gesture: Gesture) -> float:
        scores = {c.word: c.score for c in decoder.decode(gesture)}
        return scores["holly"] - scores["holy"]

    assert lead(glide("holy", pause_at="l")) > lead(glide("holy"))


def test_words_of_ones_own_and_capitals() -> None:
    words = [*WORDS, "Xiaoming"]
    whole = GlideDecoder(words, KEYS)
    assert first(whole, glide("xiaoming")) == "Xiaoming"


def test_words_that_must_not_be_offered_are_not(decoder: GlideDecoder) -> None:
    prior = np.where(np.array(WORDS) == "hello", -np.inf, -5.0)
    assert "hello" not in [c.word for c in decoder.decode(glide("hello"), prior, 40)]
    assert decoder.decode(glide("hello"), np.full(len(WORDS), -np.inf)) == []
    everything = {c.word for c in decoder.decode(glide("hello"), count=40)}
    assert not everything & {"<unk>", ".", "2", "i", "a"}, "nobody glides these"


def test_unusual_calls(decoder: GlideDecoder) -> None:
    assert decoder.decode(Gesture([], [], [])) == []
    assert decoder.decode(glide("the"), count=0) == []
    with pytest.raises(ValueError, match="prior"):
        decoder.decode(glide("the"), np.zeros(3))
    with pytest.raises(ValueError, match="frequencies"):
        GlideDecoder(WORDS, KEYS, np.zeros(3))
    with pytest.raises(ValueError, match="differ"):
        Gesture([1], [1, 2], [1])
    with pytest.raises(ValueError, match="no letter"):
        KeyGeometry({"shift": (0, 0, 1, 1)})
    with pytest.raises(ValueError, match="no area"):
        KeyGeometry({"q": (0, 0, 0, 1)})
    assert GlideDecoder([], KEYS).decode(glide("the")) == []
    assert GlideDecoder(["the"], KeyGeometry({"q": (0, 0, 1, 1)})).decode(glide("the")) == []


@pytest.mark.parametrize("word", ["hello", "something", "thanks"])
def test_unclean_gestures(decoder: GlideDecoder, word: str) -> None:
    points, times = glide(word).points, glide(word).times
    hook = np.concatenate([points, points[-1:] + np.array([[4, 12], [8, 20]])])
    rest = np.concatenate([np.repeat(points[:1], 15, 0), points, np.repeat(points[-1:], 15, 0)])
    gestures = {
        "a hook at the end": gesture_of(hook, np.arange(len(hook)) * 12),
        "rests": gesture_of(rest, np.arange(len(rest)) * 12),
        "an early lift": gesture_of(points[:-3], times[:-3]),
        "missing points": gesture_of(points[::4], times[::4]),
        "one time for all": gesture_of(points, np.zeros(len(points))),
        "points twice": gesture_of(np.repeat(points, 2, 0), np.repeat(times, 2)),
        "a touch too low": gesture_of(points + np.array([0, 14]), times),
        "a small hand": gesture_of(0.9 * points, times),
    }
    for name, gesture in gestures.items():
        assert first(decoder, gesture) == word, name


numbers = st.floats(-2000, 2000) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0])


@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=40))
@example([(0.0, 0.0, -1e-310), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 300.0, 0.0)])  # a speed beyond all numbers
def test_no_gesture_upsets_it(points: list[tuple[float, float, float]]) -> None:
    found = SHARED.decode(Gesture.of(points))
    assert all(math.isfinite(c.score) for c in found)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    assert len({c.word for c in found}) == len(found)


boxes = st.dictionaries(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzéß"),
    st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.01, 1e3), st.floats(0.01, 1e3)),
    min_size=1,
)


@settings(max_examples=40)
@given(boxes, st.lists(st.tuples(numbers, numbers, numbers), max_size=10))
def test_any_geometry_works(keys: dict, points: list) -> None:
    found = GlideDecoder(WORDS, KeyGeometry(keys)).decode(Gesture.of(points))
    assert all(math.isfinite(c.score) for c in found)


@settings(max_examples=40)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 20), st.just(2)), elements=st.floats(-100, 500)),
    st.floats(0.05, 20),
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
    st.floats(0, 1e6),
)
def test_moving_and_scaling_the_keyboard_and_later_times_change_nothing(
    points: np.ndarray, scale: float, right: float, down: float, later: float
) -> None:
    times = np.arange(len(points)) * 16.0
    moved = KeyGeometry(
        {k: (x * scale + right, y * scale + down, w * scale, h * scale) for k, (x, y, w, h) in KEYS.boxes.items()}
    )
    there = GlideDecoder(WORDS, moved).decode(gesture_of(points * scale + [right, down], times + later), count=40)
    here = {c.word: c.score for c in SHARED.decode(gesture_of(points, times), count=40)}
    assert {c.word: c.score for c in there} == pytest.approx(here, rel=0.02, abs=0.5)


SHARED = GlideDecoder(WORDS, KEYS)


def test_memory_with_ten_thousand_words() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 16))) for _ in range(10_000)]
    assert GlideDecoder(words, KEYS).nbytes < 12_000_000


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.45), (0.3, 0.2), (-0.3, 0.1)])
def test_a_hand_that_is_off_all_keys_by_the_same_way(right: float, down: float) -> None:
    words = ["sorry", "story", "thanks", "something", "well", "help", "hello", "will"]
    decoder = GlideDecoder([*WORDS, *words], KEYS)
    for word in words:
        gesture = glide(word)
        moved = gesture.points + KEYS.unit * np.array([right, down])
        assert first(decoder, gesture_of(moved, gesture.times)) == word


def test_a_shift_counts_less_than_touches_that_are_off() -> None:
    whole, without = (GlideDecoder(["help"], KEYS, parameters=GlideParameters(shift=s, below=0)) for s in (0.6, 0.0))
    gesture = glide("help")
    moved = gesture_of(gesture.points + np.array([0, 0.4 * KEYS.unit]), gesture.times)
    assert whole.decode(moved)[0].score > without.decode(moved)[0].score
    assert whole.decode(gesture)[0].score == pytest.approx(without.decode(gesture)[0].score, abs=0.05)


def test_where_most_people_touch_counts_until_the_hand_is_known() -> None:
    def score(hand: Hand, below: float) -> float:
        gesture = glide("help")
        moved = gesture_of(gesture.points + np.array([0, 0.3 * KEYS.unit]), gesture.times)
        parameters = GlideParameters(shift=0, below=below)
        return GlideDecoder(["help"], KEYS, hand=hand, parameters=parameters).decode(moved)[0].score

    assert score(Hand(), 0.3) > score(Hand(), 0.0) + 0.3
    known = Hand()
    for _ in range(400):
        known.learn_glide("help", glide("help"), KEYS)
    assert known.glides.unknown < 0.05
    assert score(known, 0.3) == pytest.approx(score(known, 0.0), abs=0.2)


def test_what_is_compared_adds_up_to_the_score(decoder: GlideDecoder) -> None:
    compared = decoder.compare(glide("story"), None, 40)
    scores = compared.features @ decoder.parameters.weights - compared.alignments
    found = {c.word: c.score for c in decoder.decode(glide("story"), count=40)}
    assert {decoder.words[w]: s for w, s in zip(compared.words, scores, strict=True)} == pytest.approx(found)
