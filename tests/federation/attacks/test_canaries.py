"""Canaries and membership inference, on models that memorized their training data and on models that never saw it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.windows import pack
from federation.attacks.canaries import Canary, Planted, chance, choices, draw_canaries, exposure, holders_of
from federation.attacks.membership_inference import attack, auc, losses, message_scores, user_scores
from federation.evaluation.predictions import network_predictions
from model.device.folder import Model
from model.device.metrics import evaluate


def memorizing(model: Model, messages: list[list[int]]) -> Model:
    program, rows = model.start(), pack(messages, model.provenance.config.window)
    for _ in range(60):
        for start in range(0, len(rows), model.provenance.config.batch):
            program.train(rows[start : start + model.provenance.config.batch], 1.0, 1.0)
    return model.with_weights(program.weights, model.provenance)


def test_exposure_equals_the_exposure_by_ranking_every_filling(small_model: Model) -> None:
    program, words = small_model.start(), choices(small_model.vocabulary)[:16]
    canary = Canary((5, 9), (int(words[3]), int(words[11])), 1, 1)
    fillings = [[5, 9, int(a), int(b)] for a in words for b in words]
    predictions = network_predictions(program, fillings)
    likelihoods = predictions.log_likelihoods.reshape(-1, 4).sum(1)
    rank = np.count_nonzero(likelihoods >= likelihoods[3 * 16 + 11] - 1e-5)
    assert exposure(program, canary, words) == pytest.approx(np.log2(256) - np.log2(rank), abs=0.1)


def test_a_memorized_secret_is_exposed_and_one_never_seen_is_not(small_model: Model) -> None:
    words = choices(small_model.vocabulary)
    (planted, *controls) = draw_canaries(small_model.vocabulary, [(1, 20)] + [(0, 0)] * 40, seed=1)
    leaking = memorizing(small_model, [planted.message] * 12).start()
    assert exposure(leaking, planted, words) > 2 * np.log2(len(words)) - 1
    never = [exposure(small_model.start(), canary, words) for canary in controls]
    assert 0.9 < np.mean(never) < 2.1  # the expected mean is log2 e = 1.44, with a standard error of 0.23
    assert min(never) >= 0


@given(st.integers(1, 6), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_the_chance_of_an_exposure_is_uniform_for_secrets_never_seen(count: int, seed: int) -> None:
    """For random ranks, the chance is at most p in a share p of the draws."""
    ranks = np.random.default_rng(seed).integers(1, 2**18 + 1, (2000, count))
    found = np.array([chance(list(18 - np.log2(row))) for row in ranks])
    for p in (0.05, 0.3, 0.7):
        assert np.mean(found <= p) == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 2000))
    assert chance([0.0] * count) == 1
    assert chance([18.0] * count) < 2.0 ** (-18 * count) * (13.5 * count) ** count


def test_each_holder_has_one_canary_and_other_users_messages_do_not_change(small_model: Model) -> None:
    class People:
        def users(self) -> list[str]:
            return [f"user {i}" for i in range(30)]

        def messages(self, user: str):
            return iter([f"i think of {user}"] * 3)

    corpus, vocabulary = People(), small_model.vocabulary
    canaries = draw_canaries(vocabulary, [(1, 1), (4, 5), (9, 2)], seed=4)
    held = holders_of(canaries, corpus.users(), seed=4)
    planted = Planted(corpus, held, vocabulary)
    assert len(held) == 14
    for canary in canaries:
        holders = [user for user, own in held.items() if own == [canary]]
        assert len(holders) == canary.holders
        for user in holders:
            encoded = [vocabulary.encode(text) for text in planted.messages(user)]
            assert sum(message == canary.message for message in encoded) == canary.copies
            assert len(encoded) == 3 + canary.copies
    for user in set(corpus.users()) - set(held):
        assert list(planted.messages(user)) == list(corpus.messages(user))
    with pytest.raises(DataError, match="the canaries need 14 people"):
        holders_of(canaries, corpus.users()[:13], seed=4)


SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30).map(np.array)


@given(SCORES, SCORES)
def test_auc_is_the_share_of_pairs_in_the_right_order(members: np.ndarray, others: np.ndarray) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in members for b in others]
    assert auc(members, others) == pytest.approx(np.mean(pairs))
    assert auc(members, others) + auc(others, members) == pytest.approx(1)


def test_attacks_find_members_that_a_model_memorized_and_only_guess_before_training(
    small_model: Model,
) -> None:
    rng = np.random.default_rng(0)
    people = [[list(rng.integers(3, 50, 6)) for _ in range(4)] for _ in range(24)]
    members, others = people[:12], people[12:]
    leaking = memorizing(small_model, [message for person in members for message in person]).start()
    start = [[losses(small_model.start(), person) for person in side] for side in (members, others)]
    after = [[losses(leaking, person) for person in side] for side in (members, others)]
    for scores in (user_scores, message_scores):
        found = attack(scores(after[0], start[0]), scores(after[1], start[1]))
        assert found.auc > 0.8
        assert found.interval.low > 0.7
        assert attack(scores(after[0]), scores(after[1])).auc > 0.7
        guess = attack(scores(start[0]), scores(start[1]))
        assert guess.interval.low < 0.5 < guess.interval.high


def test_losses_equal_those_of_the_evaluation(small_model: Model) -> None:
    rng = np.random.default_rng(1)
    messages = [list(rng.integers(3, 50, n)) for n in (1, 5, 44, 7)]
    program = small_model.start()
    found = losses(program, messages)
    assert list(found.words) == [1, 5, 44, 7]
    assert found.nats.sum() == pytest.approx(-evaluate(program, messages).log_likelihood, rel=1e-5)
