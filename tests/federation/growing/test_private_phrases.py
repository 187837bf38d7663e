"""Counts of devices beside those of public text, against a plain computation with dictionaries."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from federation.growing.counts_files import Counted, Counts
from federation.growing.private_phrases import add_counts
from federation.phrases import make_phrases
from model.device.suggesting.phrases import Phrases, read_phrases

VOCABULARY = Vocabulary([*SPECIALS, *"abcde"])
SIZE = len(VOCABULARY)
DEVICES = 20
TOKENS = st.sampled_from([1, *range(len(SPECIALS), SIZE)])
MESSAGES = st.lists(st.lists(TOKENS, max_size=8), max_size=12).filter(lambda m: any(t > 2 for one in m for t in one))
LETTERS = st.sampled_from("abcde")
PHRASES = st.dictionaries(
    st.builds(lambda first, rest: " ".join([*first, *rest]), st.sampled_from([[], ["<s>"]]), st.lists(LETTERS, min_size=1))
    .filter(lambda phrase: len(phrase.split()) <= 3),
    st.integers(3, DEVICES),
    min_size=1,
    max_size=20,
)  # fmt: skip


def counts(phrases: dict[str, int]) -> Counts:
    return Counts(tuple(Counted(text, devices) for text, devices in phrases.items()), DEVICES)


def ids(phrase: str) -> tuple[int, ...]:
    return tuple(BOUNDARY if word == "<s>" else VOCABULARY.id(word) for word in phrase.split())


class Plain:
    """Counts of both sources in dictionaries, and the formula of the file for one word at a time."""

    def __init__(self, public: Phrases, devices: dict[str, int], weight: float) -> None:
        self.public, self.weight = public, weight
        self.devices = {ids(text): number for text, number in devices.items()}
        self.written = self.devices | {(BOUNDARY,): DEVICES}
        self.discounts = public.discounts

    def probability(self, word: int, context: tuple[int, ...]) -> float:
        """Returns P(word | context): the counts of public text come from its own tree, those of devices from the dictionary."""
        shorter = self.probability(word, context[1:]) if context else 1 / (SIZE - len(SPECIALS))
        own = {w: c for (*h, w), c in self.devices.items() if tuple(h) == context}
        counted = self._public(context)
        combined = {w: counted.get(w, 0) + self.weight * own.get(w, 0) for w in {*counted, *own}}
        if not combined:
            return shorter
        rest = max(self.written.get(context, 0) - sum(own.values()), 0) if own else 0
        total = sum(combined.values()) + self.weight * rest
        taken = {w: float(np.interp(c, range(4), [0.0, *self.discounts[len(context)]])) for w, c in combined.items()}
        return (
            combined.get(word, 0) - taken.get(word, 0) + sum(taken.values()) * shorter + self.weight * rest * shorter
        ) / total

    def _public(self, context: tuple[int, ...]) -> dict[int, float]:
        node, tree = 0, self.public
        for token in reversed(context):
            start = 1 + int(tree.children[:node].sum())
            places = [start + i for i in range(tree.children[node]) if tree.context_words[start + i] == token]
            if not places:
                return {}
            (node,) = places
        begin = int(tree.continuations[:node].sum())
        span = slice(begin, begin + int(tree.continuations[node]))
        return dict(zip(map(int, tree.words[span]), map(float, tree.counts[0][span]), strict=True))  # exact below 32


def kept_all(messages: Sequence[Sequence[int]], order: int) -> Phrases:
    return make_phrases(messages, VOCABULARY, order, "made up")


@settings(max_examples=40)
@given(MESSAGES, st.integers(1, 4), PHRASES, st.sampled_from([0.5, 1.0, 3.0]), st.lists(TOKENS, max_size=4))
def test_each_source_counts_at_its_weight(
    messages: list[list[int]], order: int, devices: dict[str, int], weight: float, context: list[int]
) -> None:
    public = kept_all(messages, order)
    if not any(len(text.split()) <= order for text in devices):
        with pytest.raises(DataError, match="no counted phrase"):
            add_counts(public, counts(devices), VOCABULARY, weight)
        return
    both = add_counts(public, counts(devices), VOCABULARY, weight)
    found = both.probabilities(context)
    assert found.sum() == pytest.approx(1, abs=1e-5) and (found >= 0).all()
    usable = {text: number for text, number in devices.items() if len(text.split()) <= order}
    plain = Plain(public, usable, weight)
    longest = len(public.discounts) - 1
    after = (BOUNDARY, *context)[-longest:] if longest else ()
    expected = [plain.probability(word, tuple(after)) for word in range(len(SPECIALS), SIZE)]
    assert found[len(SPECIALS) :] == pytest.approx(expected, abs=1e-4)


@settings(max_examples=30)
@given(MESSAGES, PHRASES, st.integers(0, 300))
def test_the_file_keeps_its_size_and_can_be_read(messages: list[list[int]], devices: dict[str, int], size: int) -> None:
    both = add_counts(kept_all(messages, 3), counts(devices), VOCABULARY, 1.0, 4_096 + size)
    content = both.to_bytes()
    assert len(content) <= 4_096 + max(size, 4 * SIZE + 8)
    read = read_phrases(content, VOCABULARY.sha256, SIZE)
    assert read.probabilities([3, 4]).sum() == pytest.approx(1, abs=1e-5)


def test_the_least_useful_phrases_give_way_whether_public_or_not() -> None:
    a, b, c, d, e = range(len(SPECIALS), SIZE)
    public = kept_all([[a, b]] * 30 + [[c, d]] * 2 + [[d], [e], [b], [c, e], [e, d]], 2)
    devices = {"e a": 20, "c b": 3, "a": 20, "b": 20, "c": 20, "d": 20, "e": 20}
    least = 4 * 5 + 8 + 3 * (8 + 4)  # single words, and the best word after each of three contexts: <s>, a and e
    both = add_counts(public, counts(devices), VOCABULARY, 1.0, 4_096 + least)
    assert both.probabilities([a])[b] > 0.8 and both.probabilities([e])[a] > 0.8
    assert both.probabilities([c])[b] < 0.35


def test_new_counts_of_devices_replace_those_of_before() -> None:
    public = kept_all([[3, 4, 5]] * 3, 3)
    first = add_counts(public, counts({"a c": 9, "d e": 4}), VOCABULARY, 1.0)
    again = add_counts(first, counts({"a d": 9}), VOCABULARY, 2.0)
    once = add_counts(public, counts({"a d": 9}), VOCABULARY, 2.0)
    assert again.to_bytes() == once.to_bytes()
    assert again.sources == "made up; phrases of 20 devices" and list(again.source_weights) == [1.0, 2.0]


def test_phrases_of_too_few_devices_or_with_other_words_count_nothing() -> None:
    public = kept_all([[3, 4, 5]], 3)
    odd = {"a zoo": 9, "<unk> a": 9, "a <s>": 9, "<s>": 9, "": 9, "a b c d": 9, "a  b": 9, "<pad> a": 9, "a c": 2}
    with pytest.raises(DataError, match="no counted phrase consists of words of the vocabulary"):
        add_counts(public, counts(odd), VOCABULARY, 1.0)
    assert add_counts(public, counts(odd | {"a e": 9}), VOCABULARY, 1.0).probabilities([5, 3])[7] > 0.5
