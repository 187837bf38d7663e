"""The n-gram model, compared with arithmetic by hand and with a slow, literal implementation of its formula."""

from collections import defaultdict
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import ChitChat, users_in
from data.vocabulary import BOUNDARY, PAD, SPECIALS, UNKNOWN
from federation.evaluation.kneser_ney import KneserNey, discounts
from model.cifg import ranks as network_ranks
from model.device.folder import PRETRAINED, load_model
from model.device.metrics import scores

A, B, C = 3, 4, 5
SIZE = 7  # pad, unknown, boundary, a, b, c, and a word that nobody writes

words = st.sampled_from([UNKNOWN, A, B, C])
corpora = st.lists(st.lists(words, max_size=7), max_size=40)


def test_discounts_by_the_closed_form() -> None:
    counts = np.repeat([0, 1, 2, 3, 4, 9], [50, 10, 4, 2, 1, 3])
    # Y = 10 / (10 + 2·4) = 5/9; 1 - 2Y·4/10, 2 - 3Y·2/4, 3 - 4Y·1/2
    assert discounts(counts) == pytest.approx([5 / 9, 7 / 6, 17 / 9])


@pytest.mark.parametrize("counts", [[], [1, 1, 2], [1, 2, 3, 3, 3, 3, 3, 3, 4]])
def test_discounts_of_a_corpus_too_small_for_the_form(counts: list[int]) -> None:
    assert discounts(np.array(counts, int)) == pytest.approx([0.5, 1, 1.5])


def test_bigram_probabilities_equal_those_calculated_by_hand() -> None:
    """`a b`, `a b`, `a c`: the discounts are 0.5, 1 and 1.5, as no count is 4."""
    model = KneserNey([[A, B], [A, B], [A, C]], SIZE, order=2)
    # Different tokens before: a 1 (<s>), b 1 (a), c 1 (a), end 2 (b, c). Of these 5 the discounts take 3 × 0.5 + 1 = half, which
    # the 6 tokens other than <pad> share.
    unigram = {UNKNOWN: 1 / 12, A: 0.1 + 1 / 12, B: 0.1 + 1 / 12, C: 0.1 + 1 / 12, BOUNDARY: 0.2 + 1 / 12, 6: 1 / 12}
    empty = model.probabilities([C, C, UNKNOWN])  # nothing follows <unk>, so only the unigram counts
    assert {w: empty[w] for w in unigram} == pytest.approx(unigram)
    # After a: b twice, with discount 1, and c once, with discount 0.5. So 1.5 of 3 goes to the unigram.
    after = {word: 0.5 * share for word, share in unigram.items()}
    after[B] += 1 / 3
    after[C] += 0.5 / 3
    found = model.probabilities([A])
    assert {w: found[w] for w in after} == pytest.approx(after)
    # After <s>: a three times, with discount 1.5.
    assert model.probabilities([])[A] == pytest.approx(0.5 + 0.5 * unigram[A])
    assert found[PAD] == 0


def test_ngrams_that_begin_a_message_have_raw_counts() -> None:
    """In a trigram model no token stands before the bigram (<s>, a), but one stands before the bigram (a, b)."""
    model = KneserNey([[A, B], [A, B], [B]], SIZE, order=3)
    # After <s>: a twice and b once, not once each. Unigrams: a 1, b 2 (<s>, a), end 1. Of 4 the discounts take 2, which 6 share.
    a = (1 - 0.5) / 4 + 0.5 / 6
    assert model.probabilities([])[A] == pytest.approx((2 - 1) / 3 + 1.5 / 3 * a)


def formula(messages: list[list[int]], order: int, context: list[int], word: int) -> float:
    """Computes Chen and Goodman's formula, n-gram by n-gram."""
    seen: dict[tuple[int, ...], int] = defaultdict(int)
    for message in messages:
        tokens = (BOUNDARY, *message, BOUNDARY) if message else ()
        for end in range(1, len(tokens)):
            for begin in range(max(0, end - order + 1), end + 1):
                seen[tokens[begin : end + 1]] += 1
    counts: dict[tuple[int, ...], int] = {}
    for gram, count in seen.items():
        opens = len(gram) > 1 and gram[0] == BOUNDARY
        before = len({longer[0] for longer in seen if longer[1:] == gram})
        counts[gram] = count if opens or len(gram) == order else before

    def discount(gram: tuple[int, ...]) -> float:
        alike = np.array([count for other, count in counts.items() if len(other) == len(gram)])
        return float(discounts(alike)[min(counts[gram], 3) - 1])

    def probability(history: tuple[int, ...]) -> float:
        after = [gram for gram in counts if gram[:-1] == history]
        shorter = probability(history[1:]) if history else 1 / (SIZE - 1)
        total = sum(counts[gram] for gram in after)
        if not total:
            return shorter
        gram = (*history, word)
        own = counts[gram] - discount(gram) if gram in counts else 0.0
        return own / total + sum(discount(gram) for gram in after) / total * shorter

    history = (BOUNDARY, *context)
    return probability(history[max(0, len(history) - order + 1) :])


@settings(max_examples=60, deadline=None)
@given(corpora, st.integers(1, 5), st.lists(words, max_size=6))
def test_the_model_equals_the_formula(messages: list[list[int]], order: int, context: list[int]) -> None:
    found = KneserNey(messages, SIZE, order).probabilities(context)
    expected = [0.0, *(formula(messages, order, context, word) for word in range(1, SIZE))]
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(corpora, st.integers(1, 5), st.lists(st.sampled_from([UNKNOWN, A, B, C, 6]), max_size=8))
def test_probabilities_sum_to_one(messages: list[list[int]], order: int, context: list[int]) -> None:
    found = KneserNey(messages, SIZE, order).probabilities(context)
    assert found.sum() == pytest.approx(1)
    assert found[PAD] == 0
    assert (found[1:] > 0).all()


@settings(max_examples=60, deadline=None)
@given(corpora, st.integers(1, 4), st.lists(st.lists(st.sampled_from([UNKNOWN, A, B, C, 6]), max_size=8), max_size=6))
def test_scoring_equals_predicting_token_by_token(
    corpus: list[list[int]], order: int, messages: list[list[int]]
) -> None:
    model = KneserNey(corpus, SIZE, order)
    found_ranks, found_logs = model.score(messages)
    each = [(model.probabilities(m[:i]), word) for m in messages for i, word in enumerate(m)]
    assert found_logs == pytest.approx([np.log(p[word]) for p, word in each])
    assert list(found_ranks) == [np.count_nonzero(p[len(SPECIALS) :] > p[word]) for p, word in each]


def test_on_real_people_longer_contexts_help() -> None:
    vocabulary, corpus = load_model(PRETRAINED).vocabulary, ChitChat()

    def messages(split: str, users: int) -> list[list[int]]:
        return [vocabulary.encode(t) for u in users_in(corpus, split)[:users] for t in islice(corpus.messages(u), 300)]

    training, held_out = messages("train", 150), messages("validation", 40)
    targets = np.array([token for message in held_out for token in message])
    perplexities, recalls = [], []
    for order in (1, 2, 3):
        ranks, log_likelihoods = KneserNey(training, len(vocabulary), order).score(held_out)
        found = scores(ranks, log_likelihoods, targets)
        perplexities.append(found.perplexity)
        recalls.append(found.top1)
    assert perplexities == sorted(perplexities, reverse=True)
    assert recalls == sorted(recalls)
    assert recalls[2] > 0.12


def test_ranks_are_those_of_the_network() -> None:
    model = KneserNey([[A, B], [A, B], [A, C], [B]], SIZE, order=2)
    message = [A, C, UNKNOWN, B, 6]
    logits = np.stack([model.probabilities(message[:i]) for i in range(len(message))])
    assert list(model.score([message])[0]) == list(network_ranks(logits.astype(np.float32), np.array(message)).numpy())
