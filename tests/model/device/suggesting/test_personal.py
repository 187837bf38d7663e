import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.generators import result_of
from data.tokenizer import tokenize
from data.vocabulary import BOUNDARY, SPECIALS, UNKNOWN, Vocabulary
from model.device.folder import Model
from model.device.suggesting.personal import PersonalNgram, Smoothing
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

VOCABULARY = Vocabulary([*SPECIALS, ".", "i", "am", "here", "you", "are"])
TEXTS = st.lists(
    st.lists(st.sampled_from([*VOCABULARY.words[3:], "zebra", "grüße", "4711"]), max_size=8).map(" ".join), max_size=12
)


def network(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(len(VOCABULARY)))


@settings(deadline=None)
@given(TEXTS, st.lists(st.sampled_from(["i", "am", "zebra", "new", "4711"]), max_size=4), st.integers(0, 99))
def test_it_is_a_distribution(messages: list[str], context: list[str], seed: int) -> None:
    personal = PersonalNgram(VOCABULARY, messages)
    found = personal.probabilities(network(seed), [personal.id(word) for word in context])
    assert found.shape == (len(personal),)
    assert (found > 0).all()
    assert found.sum() == pytest.approx(1)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["i", "am", "new"]), max_size=4), st.integers(0, 99))
def test_without_messages_it_equals_the_network(context: list[str], seed: int) -> None:
    personal = PersonalNgram(VOCABULARY)
    found = personal.probabilities(network(seed), [personal.id(word) for word in context])
    np.testing.assert_array_equal(found, network(seed))


def by_the_formula(messages: list[str], context: list[int], root: np.ndarray, personal: PersonalNgram) -> np.ndarray:
    """Evaluates the formula of the module's docstring word by word."""
    how, found, history = personal.smoothing, root, [BOUNDARY, *context]
    for n, concentration in enumerate(how.concentrations[: len(history)], 1):
        a = concentration / personal.trust
        counts: Counter[int] = Counter()
        for text in messages:
            ids = [BOUNDARY, *(personal.id(t.word) for t in tokenize(text)), BOUNDARY]
            if len(ids) > 2:
                counts.update(ids[i] for i in range(n, len(ids)) if ids[i - n : i] == history[-n:])
        d = sum(min(c, how.discount) for c in counts.values())
        found = np.array(
            [
                (max(counts[w] - how.discount, 0) + (a + d) * found[w]) / (counts.total() + a) if counts else found[w]
                for w in range(len(found))
            ]
        )
    return found


@settings(max_examples=50, deadline=None)
@given(
    TEXTS,
    st.lists(st.sampled_from(["i", "am", "here", "zebra"]), max_size=4),
    st.integers(0, 99),
    st.sampled_from([0.25, 1.0, 4.0]),
)
def test_it_equals_the_formula(messages: list[str], context: list[str], seed: int, trust: float) -> None:
    # The stream contains boundaries only between messages, so that no boundary may be written as a word.
    personal, root = PersonalNgram(VOCABULARY, messages, trust=trust), network(seed)
    ids = [personal.id(word) for word in context]
    found = personal.probabilities(root, ids)
    nothing = PersonalNgram(VOCABULARY, messages, Smoothing(concentrations=()))
    np.testing.assert_allclose(
        found, by_the_formula(messages, ids, nothing.probabilities(root, ids), personal), rtol=1e-9
    )


def test_with_zero_trust_only_own_words_are_added() -> None:
    messages, root = ["i am here zebra"] * 9, network(0)
    found = PersonalNgram(VOCABULARY, messages, trust=0.0).probabilities(root, [VOCABULARY.id("i")])
    np.testing.assert_array_equal(found[len(SPECIALS) : len(VOCABULARY)], root[len(SPECIALS) :])
    assert found.sum() == pytest.approx(1)
    assert found[len(VOCABULARY)] > 0


def test_a_new_trust_takes_effect_with_the_next_suggestion(small_model: Model) -> None:
    def suggester(trust: float) -> tuple[PersonalNgram, Suggester]:
        personal = PersonalNgram(small_model.vocabulary, ["you think so ."] * 2, trust=trust)
        return personal, Suggester(Reader(small_model.start()), small_model.vocabulary, personal)

    personal, changing = suggester(0.0)
    found = []
    for trust in (0.0, 100.0, 0.0):
        personal.trust = trust
        found.append(changing.suggest("you think", count=20))
        assert found[-1] == suggester(trust)[1].suggest("you think", count=20)
    assert found[0] != found[1]
    assert found[1][0] == "so"


def test_unknown_words_share_the_probability_of_unk() -> None:
    personal = PersonalNgram(VOCABULARY, ["zebra zebra 4711 oryx"], Smoothing(concentrations=()))
    found = personal.probabilities(np.full(9, 1 / 9), [])
    assert personal.words == ["zebra", "oryx"], "a number is not a word"
    np.testing.assert_allclose(found[9:], [1.5 / 5 / 9, 0.5 / 5 / 9])
    assert found[UNKNOWN] == pytest.approx(3 / 5 / 9)


def test_repeated_phrases_and_words_are_suggested(small_model: Model) -> None:
    vocabulary = small_model.vocabulary
    assert "zebra" not in vocabulary
    personal = PersonalNgram(vocabulary)
    suggester = Suggester(Reader(small_model.start()), vocabulary, personal)
    plain = Suggester(Reader(small_model.start()), vocabulary)
    assert suggester.suggest("the rope of the") == plain.suggest("the rope of the")
    personal.learn("the rope of the zebra")
    assert suggester.suggest("", "ze") == [], "a word written once may be a typo"
    assert suggester.predictor.predictions(["zebra"])[0].rank is None
    for _ in range(5):
        personal.learn("The rope of the Zebra!")
    assert suggester.suggest("the rope of the")[0] == "zebra"
    assert suggester.suggest("", "ze") == ["zebra"]
    assert suggester.predictor.predictions(["the", "rope", "of", "the", "zebra"])[4].rank == 0
    assert suggester.suggest("the rope of the", "c") == plain.suggest("the rope of the", "c")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["i think you are good", "so zebra it is", "zebra or grüße", "grüße, grüße"]), max_size=9),
    st.sampled_from(["", "i think", "so", "zebra or", "new words"]),
    st.sampled_from(["", "g", "ze", "Gr", "t"]),
)
def test_suggestions_are_the_likeliest_words_with_the_prefix(
    small_model: Model, messages: list[str], context: str, prefix: str
) -> None:
    personal = PersonalNgram(small_model.vocabulary)
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary, personal)
    suggester.suggest(context)  # before the first message, and again after it
    for text in messages:
        personal.learn(text)
    probabilities = suggester.predictor.probabilities(context.split())
    written = Counter(t.word for text in messages for t in tokenize(text))
    own = [w for w in ("zebra", "grüße") if written[w] > 1]
    words = [*(w for w in small_model.vocabulary.words[len(SPECIALS) :] if w.isalnum() or "'" in w), *own]
    fits = {w: math.log(probabilities[personal.id(w)]) for w in words}
    typed = prefix.lower()
    for letters in range(len(typed)):  # words passed over on the way are a tenth as likely
        for word in sorted((w for w in words if w.startswith(typed[:letters])), key=lambda w: -fits[w])[:3]:
            fits[word] -= math.log(10)
    candidates = [w for w in words if w.startswith(typed)]
    expected = sorted(candidates, key=lambda w: -fits[w])[:3]
    found = suggester.suggest(context, prefix)
    assert [fits[w] for w in found] == pytest.approx([fits[w] for w in expected], abs=1e-5)
    assert set(found) <= set(candidates)


def test_only_the_newest_of_very_many_messages_count() -> None:
    messages = ["you are here"] * 5_000 + ["i am here"] * 15_000
    personal = PersonalNgram(VOCABULARY, messages)
    assert 30_000 < personal.length < 50_000
    counted = result_of(PersonalNgram.counting(VOCABULARY, messages))
    assert (counted.length, counted.words) == (personal.length, personal.words)
    assert personal.probabilities(network(0), [VOCABULARY.id("i")])[VOCABULARY.id("am")] > 0.9
    np.testing.assert_array_equal(
        personal.probabilities(network(0), [VOCABULARY.id("are")]),
        PersonalNgram(VOCABULARY).probabilities(network(0), []),
    )
