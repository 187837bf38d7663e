"""The server's arithmetic, compared with NumPy; simulated clients, compared with a device."""

import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError
from data.windows import pack
from federation.aggregation.algorithms import ClippedSGD, Proximal, learning_process, weights_of
from federation.aggregation.plain_mean import Aggregation, SimulatedClients
from federation.aggregation.server_settings import Server
from federation.engine.state_store import StateStore
from federation.engine.training_data import training_data
from model.device.folder import PUBLIC, Model, load_model
from model.device.learning.finetuning import FineTuning, candidate_generator, finetune
from model.device.sampling import SOFTMAXES
from model.device.trainable import TRAINABLE, trainable_shapes
from model.device.weights import Weights, digest

pytestmark = pytest.mark.usefixtures("tff_engine")


def deltas(model: Model, count: int) -> list[Weights]:
    rng = np.random.default_rng(0)
    shapes = model.provenance.config.shapes
    return [{n: rng.normal(0, 0.1, s).astype(np.float32) for n, s in shapes.items()} for _ in range(count)]


def test_plain_averaging_is_the_weighted_mean(small_model: Model) -> None:
    given, words = deltas(small_model, 4), [3, 50, 7, 1000]
    updated = Aggregation(small_model.provenance.config, Server())(small_model.weights, given, words)
    for name, before in small_model.weights.items():
        mean = sum(d[name].astype(np.float64) * n for d, n in zip(given, words, strict=True)) / sum(words)
        np.testing.assert_allclose(updated[name], before + mean, atol=1e-6)


def test_adam_on_the_server_matches_its_formula_over_two_rounds(small_model: Model, tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    rounds = [deltas(small_model, 2), deltas(small_model, 3)[1:]]
    updated = small_model.weights
    expected = {name: array.astype(np.float64) for name, array in updated.items()}
    first, second = ({name: np.zeros(array.shape) for name, array in expected.items()} for _ in range(2))
    for number, given in enumerate(rounds, 1):
        aggregation = Aggregation(small_model.provenance.config, Server("fedadam", 0.01))
        aggregation.restore(store)  # each round may be a command of its own
        updated = aggregation(updated, given, [1, 3])
        aggregation.save(store, number)
        for name in expected:
            gradient = -(given[0][name].astype(np.float64) + 3 * given[1][name]) / 4
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.99 * second[name] + 0.01 * gradient**2
            step = 0.01 * np.sqrt(1 - 0.99**number) / (1 - 0.9**number)
            expected[name] -= step * first[name] / (np.sqrt(second[name]) + 1e-6)
    for name, array in updated.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5)


def test_yogi_on_the_server_matches_its_formula(small_model: Model) -> None:
    aggregation = Aggregation(small_model.provenance.config, Server("fedyogi", 0.01))
    updated = small_model.weights
    expected = {name: array.astype(np.float64) for name, array in updated.items()}
    first = {name: np.zeros(array.shape) for name, array in expected.items()}
    second = {name: np.full(array.shape, 1e-6) for name, array in expected.items()}
    for number, given in enumerate([deltas(small_model, 1), deltas(small_model, 2)[1:]], 1):
        updated = aggregation(updated, given, [5])
        for name in expected:
            gradient = -given[0][name].astype(np.float64)
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = second[name] + 0.01 * np.sign(gradient**2 - second[name]) * gradient**2
            step = 0.01 * np.sqrt(1 - 0.99**number) / (1 - 0.9**number)
            expected[name] -= step * first[name] / (np.sqrt(second[name]) + 1e-6)
    for name, array in updated.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5)


def test_the_servers_learning_rate_falls_to_zero_along_half_a_cosine(small_model: Model) -> None:
    aggregation = Aggregation(small_model.provenance.config, Server("fedavg", 0.8, decay_rounds=4))
    given = deltas(small_model, 1)
    updated = small_model.weights
    for share in (1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0, 0):  # (1 + cos x) / 2 at multiples of pi / 4
        before, updated = updated, aggregation(updated, given, [1])
        for name, array in updated.items():
            np.testing.assert_allclose(array - before[name], 0.8 * share * given[0][name], atol=1e-6)


def test_momentum_on_the_server_matches_its_formula(small_model: Model) -> None:
    """Sutskever et al. 2013: each step is the mean delta and a share of the step before."""
    aggregation = Aggregation(small_model.provenance.config, Server(learning_rate=0.5, momentum=0.9))
    updated, steps = small_model.weights, {name: np.zeros(array.shape) for name, array in small_model.weights.items()}
    for given in ([d] for d in deltas(small_model, 3)):
        before, updated = updated, aggregation(updated, given, [1])
        for name, array in updated.items():
            steps[name] = 0.9 * steps[name] + given[0][name]
            np.testing.assert_allclose(array - before[name], 0.5 * steps[name], atol=1e-6)


@pytest.mark.parametrize(("algorithm", "momentum"), [("fedavg", 1.0), ("fedavg", -0.1), ("fedadam", 0.5)])
def test_momentum_out_of_range_or_for_another_optimizer_is_refused(algorithm: str, momentum: float) -> None:
    with pytest.raises(DataError, match="momentum is a share from 0 to below 1, for fedavg and fedprox only"):
        Server(algorithm, momentum=momentum)


def test_a_round_without_deltas_or_with_an_invalid_one_is_refused(small_model: Model) -> None:
    aggregation = Aggregation(small_model.provenance.config, Server())
    with pytest.raises(DataError, match="no device"):
        aggregation(small_model.weights, [], [])
    broken = deltas(small_model, 1)
    broken[0]["gate_bias"][0] = np.inf
    with pytest.raises(DataError, match="not finite"):
        aggregation(small_model.weights, broken, [1])


def rows_of(model: Model, count: int, seed: int) -> np.ndarray:
    config = model.provenance.config
    rng = np.random.default_rng(seed)
    rows = rng.integers(2, config.vocabulary, (count, config.window + 1), dtype=np.int32)
    rows[0, 5:] = 0
    return rows


@pytest.mark.parametrize("trainable", TRAINABLE)
def test_a_simulated_client_trains_as_a_device_does(small_model: Model, trainable: str) -> None:
    """TFF's client work and LiteRT's program reach the same weights, from the same start over the same batches."""
    config = small_model.provenance.config
    how = FineTuning(learning_rate=0.7, clipping_norm=0.1, trainable=trainable)
    rows = rows_of(small_model, 10, 1)
    dataset = tf.data.Dataset.from_tensor_slices((rows, rows[:, 1:])).batch(config.batch)
    (delta,), (words,) = SimulatedClients(config, small_model.weights, how)(small_model.weights, [dataset])
    program = small_model.start()
    for start in range(0, len(rows), config.batch):
        program.train(rows[start : start + config.batch], how.learning_rate, how.clipping_norm, trainable)
    for name, after in program.weights.items():
        np.testing.assert_allclose(delta[name], after - small_model.weights[name], atol=1e-5)
        assert bool(np.any(delta[name])) == (name in trainable_shapes(config, trainable))
    assert words == (rows[:, 1:] != 0).sum()


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_a_simulated_client_draws_and_learns_what_a_device_does_from_the_same_seed(softmax: str) -> None:
    """At full size, where most words are no candidates, over two passes of more than one batch."""
    model = load_model(PUBLIC)
    config, how = model.provenance.config, FineTuning(passes=2, softmax=softmax)
    rng = np.random.default_rng(3)
    frequent = 3 + np.floor((config.vocabulary - 3) * rng.random(400) ** 4).astype(np.int32)
    messages = [message.tolist() for message in np.split(frequent, np.arange(8, 400, 8))]

    program = model.start()
    progress = list(finetune(program, messages, how, np.random.default_rng(5)))[-1]
    rows, same = pack(messages, config.window), np.random.default_rng(5)
    sampling = candidate_generator(how, same)
    data = training_data([rows[same.permutation(len(rows))] for _ in range(2)], config, sampling)
    (delta,), (words,) = SimulatedClients(config, model.weights, how)(model.weights, [data])

    assert words == progress.targets
    for name, after in program.weights.items():
        np.testing.assert_allclose(delta[name], after - model.weights[name], atol=1e-5, err_msg=name)
    touched = np.any(delta["embedding"], axis=1).mean()
    assert touched < 0.2 if softmax == "sampled" else touched > 0.9


@pytest.mark.parametrize("norm", [0.1, 100.0])
@pytest.mark.parametrize("held", [False, True])
def test_a_step_with_the_gradient_of_some_rows_is_a_step_with_zeros_for_the_others(norm: float, held: bool) -> None:
    """Also for clients of FedProx, whose term moves the others too."""
    optimizer = ClippedSGD(0.5, norm)
    if held:
        optimizer = Proximal(optimizer, 0.1)
    rng = np.random.default_rng(0)
    weights = tuple(tf.constant(rng.normal(size=shape).astype(np.float32)) for shape in ((6, 4), (5,)))
    state = optimizer.initialize(tuple(tf.TensorSpec.from_tensor(w) for w in weights))
    ends = []
    for dense in (True, False):
        after, now, draws = weights, state, np.random.default_rng(1)
        for _ in range(3):
            rows, other = draws.choice(6, 3, replace=False), tf.constant(draws.normal(size=5).astype(np.float32))
            slices = tf.IndexedSlices(
                tf.constant(draws.normal(size=(3, 4)).astype(np.float32)), tf.constant(rows), (6, 4)
            )
            now, after = optimizer.next(now, after, (tf.convert_to_tensor(slices) if dense else slices, other))
        ends.append(after)
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_a_cohort_without_words_changes_nothing(small_model: Model, softmax: str) -> None:
    config, how = small_model.provenance.config, FineTuning(softmax=softmax)
    rows = np.zeros((0, config.window + 1), np.int32)
    dataset = training_data([rows], config, candidate_generator(how, np.random.default_rng(0)))
    process = learning_process(config, small_model.weights, how, Server())
    state = process.next(process.initialize(), [dataset, dataset]).state
    assert digest(weights_of(state, config)) == digest(small_model.weights)


@pytest.mark.parametrize(
    ("trainable", "server"),
    [("all", Server("fedadam", 0.01)), ("head", Server("fedadam", 0.01)), ("bias", Server(momentum=0.5))],
)
def test_the_two_halves_of_a_round_equal_the_round_that_tff_composes(
    small_model: Model, trainable: str, server: Server
) -> None:
    config, how = small_model.provenance.config, FineTuning(trainable=trainable)
    cohort = [rows_of(small_model, count, count) for count in (3, 6, 9)]
    datasets = [tf.data.Dataset.from_tensor_slices((r, r[:, 1:])).batch(config.batch) for r in cohort]
    process = learning_process(config, small_model.weights, how, server)
    whole = weights_of(process.next(process.initialize(), datasets).state, config, trainable)
    simulated = SimulatedClients(config, small_model.weights, how)(small_model.weights, datasets)
    parts = Aggregation(config, server, trainable)(small_model.weights, *simulated)
    for name in whole:
        changed = not np.array_equal(whole[name], small_model.weights[name])
        assert changed == (name in trainable_shapes(config, trainable)), name
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)


def test_fedprox_holds_clients_near_the_global_weights(small_model: Model) -> None:
    """The first step has no proximal term; over several steps, a stronger term keeps clients nearer."""
    config, how = small_model.provenance.config, FineTuning(learning_rate=0.5, clipping_norm=1e3)
    rows = rows_of(small_model, 12, 2)

    @functools.cache
    def process_of(server: Server) -> tff.learning.templates.LearningProcess:
        return learning_process(config, small_model.weights, how, server)

    def moved(server: Server, batch: int) -> np.ndarray:
        process = process_of(server)
        dataset = tf.data.Dataset.from_tensor_slices((rows, rows[:, 1:])).batch(batch)
        after = weights_of(process.next(process.initialize(), [dataset]).state, config)
        return np.concatenate([(after[n] - small_model.weights[n]).ravel() for n in after])

    weak, strong = (Server("fedprox", 1.0, proximal_strength=strength) for strength in (0.01, 1.0))
    np.testing.assert_allclose(moved(strong, len(rows)), moved(Server(), len(rows)), atol=1e-6)
    plain, held, held_tight = (float(np.linalg.norm(moved(server, 3))) for server in (Server(), weak, strong))
    assert held_tight < 0.9 * held < held < plain
