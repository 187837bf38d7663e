"""The secure mean: TensorFlow agrees with the devices' NumPy, our aggregator with TFF's, and a real round with a simulated one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.windows import targets
from federation.aggregation.accounting import BudgetExhaustedError, spent
from federation.aggregation.privacy import Privacy
from federation.aggregation.secure_mean import SecureMean
from federation.aggregation.server_process import ServerProcess
from federation.aggregation.server_settings import Server
from federation.aggregation.sum_check import ImplausibleSumError
from federation.aggregation.sum_settings import SumSettings
from federation.aggregation.tensor_encoding import TensorEncoding
from federation.protocol.delta_encoding import Encoding, clip, flatten
from federation.protocol.round_terms import COUNTS, Terms, TrainingResult, counts_of
from federation.protocol.secure_aggregation.modular_vectors import reduce
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, subtract
from model.device.trainable import TRAINABLE, trainable_parameters, trainable_shapes

pytestmark = pytest.mark.usefixtures("tff_engine")

HOW = FineTuning(learning_rate=0.7, clipping_norm=0.5)

# The encoding.

SIZES = Encoding(length=300, clipping_norm=1.0, max_weight=500, cohort=8, bits=12, seed=0)
TENSORS = TensorEncoding(SIZES)


@tf.function(reduce_retracing=True)
def scaled(delta: tf.Tensor, weight: tf.Tensor, norm: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return TENSORS.scaled(delta, weight, norm, seed)


@given(st.integers(0, 2**32 - 1), st.floats(2**-10, 10, width=32), st.floats(2**-13, 3, width=32), st.integers(0, 800))
@settings(max_examples=40, deadline=None)
def test_simulated_clients_encode_to_the_same_integers_as_devices(
    seed: int, norm: float, size: float, weight: int
) -> None:
    rng = np.random.default_rng(seed)
    delta = rng.normal(0, size, SIZES.length).astype(np.float32)
    encoding = Encoding(SIZES.length, norm, SIZES.max_weight, SIZES.cohort, SIZES.bits, seed)
    weighed = clip(delta, norm) * np.float32(min(weight, 500) / 500)
    devices = encoding.rotate(weighed) * encoding.scale
    clients = scaled(delta, tf.constant(weight, tf.float32), tf.constant(norm), tf.constant(seed, tf.int64)).numpy()
    if np.linalg.norm(delta) <= norm:
        np.testing.assert_array_equal(clients, devices)
    else:  # the norms may differ in the last bit, and so the clipped deltas
        np.testing.assert_allclose(clients, devices, rtol=1e-5, atol=1e-4)
    uniform = rng.random(encoding.padded, np.float32)
    integers = encoding.round(devices, uniform)
    np.testing.assert_array_equal(TENSORS.round(tf.constant(devices), uniform), integers)
    ring = (integers.astype(np.int64) % 2**SIZES.bits).astype(np.uint16)
    decoded = TENSORS.decode(tf.constant(ring, tf.int32), tf.constant(norm), tf.constant(seed, tf.int64))
    np.testing.assert_array_equal(decoded, encoding.decode(ring))


def test_rounding_that_would_lengthen_a_delta_too_much_goes_towards_zero() -> None:
    encoding = Encoding(300, 1.0, 1, cohort=200, bits=12, seed=0)  # ten levels
    reach = np.full(encoding.padded, encoding.levels / encoding.deviations * 0.9, np.float32)
    upwards = np.full(encoding.padded, 0.999, np.float32)
    bound = (encoding.rounded_norm * float(encoding.scale)) ** 2
    assert np.sum(encoding.round(reach, upwards) ** 2) > bound
    np.testing.assert_array_equal(TensorEncoding(encoding).round(tf.constant(reach), upwards), np.floor(reach))


# Our aggregation and TFF's.

VALUE = tff.to_type((tff.TensorType(np.float32, [30, 10]), tff.TensorType(np.float32, [40])))
WEIGHT = tff.TensorType(np.float32)


def updates(seed: int, sizes: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, s, [30, 10]).astype(np.float32), rng.normal(0, s, [40]).astype(np.float32)) for s in sizes]


def test_clipping_zeroing_and_weighting_are_those_of_tffs_robust_aggregator() -> None:
    """The rounds are such that both the clipping norm and the zeroing norm move."""
    summation = SumSettings(bits=16, cohort=8, clipping_norm=1.0, clipping_quantile=0.8, zeroing=True, max_weight=100)
    ours = SecureMean(summation, Privacy(), seed=5, noise_seed=6).create(VALUE, WEIGHT)
    theirs = tff.learning.robust_aggregator(zeroing=True, clipping=True, weighted=True).create(VALUE, WEIGHT)
    our_state, their_state = ours.initialize(), theirs.initialize()
    for number, sizes in enumerate([(0.02, 0.05, 0.3), (0.1, 9.0, 0.01, 0.2), (0.05, 0.5)]):
        given, words = updates(number, sizes), [np.float32(10 * (i + 1)) for i in range(len(sizes))]
        our, their = ours.next(our_state, given, words), theirs.next(their_state, given, words)
        our_state, their_state = our.state, their.state
        norm = their.measurements["zeroing"]["clipping_norm"]
        assert our.measurements["clipping_norm"] == pytest.approx(norm, rel=1e-5)
        assert our.measurements["weight"] == sum(words)
        for a, b in zip(our.result, their.result, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-3 * norm)
        assert np.linalg.norm(their.result[0]) > 0.1 * norm
    theirs_next = theirs.next(their_state, given, words).measurements
    ours_next = ours.next(our_state, given, words).measurements
    assert ours_next["clipping_norm"] == pytest.approx(theirs_next["zeroing"]["clipping_norm"], rel=1e-5)
    assert ours_next["clipping_norm"] != pytest.approx(1.0)


def test_tree_aggregation_is_that_of_tff_with_more_noise_to_cover_rounding() -> None:
    privacy = Privacy("tree", noise_multiplier=1.5, period=3)
    summation = SumSettings(bits=16, cohort=4, clipping_norm=0.5, max_weight=1)
    flat = tff.to_type((tff.TensorType(np.float32, [340]),))
    ours = SecureMean(summation, privacy, seed=5, noise_seed=99).create(flat, WEIGHT)
    lengthening = TensorEncoding(*summation.encoding(340, privacy)).lengthening
    assert 1 < lengthening < 1.01
    theirs = tff.aggregators.DifferentiallyPrivateFactory.tree_aggregation(
        1.5 * lengthening, 4.0, 0.5, tf.TensorSpec([340]), noise_seed=99
    ).create(tff.TensorType(np.float32, [340]))
    our_state, their_state = ours.initialize(), theirs.initialize()
    rng = np.random.default_rng(0)
    results = []
    for number in range(1, 5):
        given = [rng.normal(0, 0.05, 340).astype(np.float32) for _ in range(4)]
        our = ours.next(our_state, [(g,) for g in given], [np.float32(1)] * 4)
        their = theirs.next(their_state, given)
        our_state, their_state = our.state, their.state
        results.append(our.result[0])
        # The noise is added to deltas; TFF's updates are negative deltas.
        signal = np.sum([g * min(1.0, 0.5 / float(np.linalg.norm(g))) for g in given], axis=0) / 4
        if number <= 3:
            np.testing.assert_allclose(signal - our.result[0], their.result - signal, atol=1e-3)
            assert np.linalg.norm(their.result - signal) > 1
    # The fourth round begins a new tree: its noise is that of a first leaf, not of a fourth.
    noise = results[3] - signal
    assert noise.std() == pytest.approx(1.5 * 0.5 * lengthening / 4, rel=0.15)


def test_devices_together_add_the_promised_noise() -> None:
    """The sums are almost only noise, which has the promised width and is independent in every round."""
    privacy = Privacy("distributed", noise_multiplier=2.0, period=1)
    summation = SumSettings(bits=16, cohort=4, clipping_norm=0.5, max_weight=1)
    flat = tff.to_type((tff.TensorType(np.float32, [1000]),))
    process = SecureMean(summation, privacy, seed=5, noise_seed=99).create(flat, WEIGHT)
    clients = [(np.full(1000, 1e-6 * i, np.float32),) for i in range(4)]  # equal deltas would draw equal noise
    state, seen = process.initialize(), []
    for _ in range(2):
        output = process.next(state, clients, [np.float32(1)] * 4)
        state = output.state
        seen.append(output.result[0])
        assert output.result[0].std() == pytest.approx(2 * 0.5 / 4, rel=0.1)
        assert "side" not in output.measurements
    assert abs(np.corrcoef(seen[0], seen[1])[0, 1]) < 0.15


# A real round and a simulated one.


@pytest.fixture(
    scope="module", params=[("adaptive", "all"), ("private", "all"), ("adaptive", "head"), ("private", "bias")]
)
def process(request: pytest.FixtureRequest, small_model: Model, tff_engine: None) -> ServerProcess:
    mechanism, trainable = request.param
    how = replace(HOW, trainable=trainable)
    if mechanism == "adaptive":
        summation = SumSettings(12, cohort=4, clipping_norm=0.4, clipping_quantile=0.5, zeroing=True, max_weight=120)
        privacy = Privacy()
    else:
        summation = SumSettings(12, cohort=4, clipping_norm=0.4, clipping_quantile=0.5, max_weight=1)
        privacy = Privacy("tree", noise_multiplier=0.7, period=2, max_epsilon=100.0)
    config, server = small_model.provenance.config, Server("fedadam", 0.01)
    return ServerProcess(config, small_model.weights, how, server, summation, privacy, seed=3, noise_seed=1234)


def cohort(model: Model) -> list[np.ndarray]:
    config = model.provenance.config
    rng = np.random.default_rng(1)
    return [rng.integers(2, config.vocabulary, (n, config.window + 1), dtype=np.int32) for n in (3, 9, 16)]


def dataset(model: Model, rows: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((rows, rows[:, 1:])).batch(model.provenance.config.batch)


def part_of(model: Model, terms: Terms) -> str:
    """Returns the trainable part whose deltas have the length of these terms."""
    config = model.provenance.config
    (part,) = (part for part in TRAINABLE if trainable_parameters(config, part) == terms.length)
    return part


def learn(model: Model, rows: np.ndarray, trainable: str) -> TrainingResult:
    """Trains with LiteRT, as a device does."""
    config, program, loss = model.provenance.config, model.start(), 0.0
    for start in range(0, len(rows), config.batch):
        batch = rows[start : start + config.batch]
        loss += program.train(batch, HOW.learning_rate, HOW.clipping_norm, trainable) * targets(batch)
    shapes = trainable_shapes(config, trainable)
    delta = {name: array for name, array in subtract(program.weights, model.weights).items() if name in shapes}
    return TrainingResult(flatten(delta, shapes), targets(rows), loss)


def contributions(model: Model, terms: Terms) -> list[tuple[Any, Any]]:
    learned = [learn(model, rows, part_of(model, terms)) for rows in cohort(model)]
    return [terms.contribution(each, np.random.default_rng(i)) for i, each in enumerate(learned)]


def centred(integers: np.ndarray, bits: int) -> np.ndarray:
    half = 2 ** (bits - 1)
    return (np.asarray(integers).astype(np.int64) + half) % (2 * half) - half


def summed(parts: Sequence[tuple[Any, Any]], terms: Terms) -> tuple[Any, Any]:
    totals = [sum(part[i].astype(np.uint64) for part in parts) for i in range(2)]
    narrow = tuple(total.astype(segment.dtype) for total, segment in zip(totals, terms.layout, strict=True))
    delta, counts = reduce(terms.layout, narrow)
    return delta, counts


def test_a_device_sends_the_same_as_tffs_client_work(process: ServerProcess, small_model: Model) -> None:
    """The counts are equal, and the integers differ only by random rounding."""
    state = process.initialize()
    terms = process.prepare(state).terms
    broadcast = process.form.prepare(state)
    # In steps: 1 for random rounding, the rest for the difference between LiteRT's and TensorFlow's arithmetic.
    slack = 1 + 1e-5 * float(terms.encoding.scale)
    for rows, (integers, counts) in zip(cohort(small_model), contributions(small_model, terms), strict=True):
        plain, _, _, (metrics, sent) = process.form.work(dataset(small_model, rows), broadcast)
        assert not tf.nest.flatten(plain)
        difference = centred(sent["delta"], terms.bits) - centred(integers, terms.bits)
        assert np.abs(difference).max() <= slack
        assert np.abs(centred(integers, terms.bits)).max() > 20
        named = counts_of(counts)
        assert [named[n] for n in COUNTS[:4]] == list(sent["counts"])
        if not terms.private:
            assert named["words"] == metrics[1]
            assert named["loss"] == pytest.approx(metrics[0], rel=1e-5)


def test_update_on_the_sums_of_work_is_a_simulated_round_bit_for_bit(
    process: ServerProcess, small_model: Model
) -> None:
    """This includes adaptive norms, noise and the server optimizer's state, over three rounds and a restarted tree."""
    datasets = [dataset(small_model, rows) for rows in cohort(small_model)]
    state, simulated = process.initialize(), process.process.initialize()
    for number in range(1, 4):
        broadcast, terms = process.form.prepare(state), process.prepare(state).terms
        parts = []
        for each in datasets:
            _, _, _, (metrics, sent) = process.form.work(each, broadcast)
            loss, words = (0, 0) if terms.private else metrics
            counts = np.array([*sent["counts"], loss, words, *[0] * 5], np.int64).astype(np.uint64) % 2**48
            parts.append((sent["delta"].astype(np.uint16), counts))
        state, metrics = process.update(state, summed(parts, terms))
        output = process.process.next(simulated, datasets)
        simulated = output.state
        assert process.rounds(state) == number
        theirs = simulated.global_model_weights
        ours = process.weights(state)
        shapes = trainable_shapes(small_model.provenance.config, part_of(small_model, terms))
        for name, array in zip(shapes, theirs.trainable, strict=True):
            np.testing.assert_array_equal(ours.pop(name), array)
        for name, array in ours.items():
            np.testing.assert_array_equal(array, small_model.weights[name])
        assert metrics["clipping_norm"] == output.metrics["aggregator"]["clipping_norm"]
        assert metrics["devices"] == 3
        if not terms.private:
            assert metrics["loss"] == pytest.approx(output.metrics["client_work"]["train"]["loss"], rel=1e-5)


def test_a_real_round_and_a_simulated_one_move_the_model_alike(process: ServerProcess, small_model: Model) -> None:
    """Summed deltas differ by the error of rounding, whose root mean square the encoding gives, and LiteRT's last bits."""
    state = process.initialize()
    terms, broadcast = process.prepare(state).terms, process.form.prepare(state)
    real = terms.encoding.decode(summed(contributions(small_model, terms), terms)[0])
    work = [process.form.work(dataset(small_model, rows), broadcast)[3][1]["delta"] for rows in cohort(small_model)]
    total = (sum(part.astype(np.int64) for part in work) % 2**terms.bits).astype(np.uint16)
    simulated = terms.encoding.decode(total)
    tolerance = 2 * np.sqrt(2 * 3 * terms.encoding.padded) / (2 * float(terms.encoding.scale)) + 1e-3
    assert np.linalg.norm(real - simulated) < tolerance
    assert np.linalg.norm(simulated) > 5 * tolerance


def test_a_state_is_saved_and_the_sums_of_another_round_are_refused(
    process: ServerProcess, small_model: Model, tmp_path: Path
) -> None:
    state = process.load(tmp_path)
    terms = process.prepare(state).terms
    parts = contributions(small_model, terms)
    after, _ = process.update(state, summed(parts, terms))
    process.save(after, tmp_path)
    restored = process.load(tmp_path)
    assert process.prepare(restored).terms == process.prepare(after).terms != terms
    again, other = (process.update(s, summed(parts, terms))[0] for s in (restored, after))
    for a, b in zip(tf.nest.flatten(again), tf.nest.flatten(other), strict=True):
        np.testing.assert_array_equal(a, b)
    delta, counts = summed(parts, terms)
    with pytest.raises(DataError, match="does not fit this round's terms"):
        process.update(state, (delta[:-1], counts))
    with pytest.raises(DataError, match="does not fit this round's terms"):
        process.update(state, (delta + np.uint16(2**12), counts))
    with pytest.raises(DataError, match="6 devices are in this sum"):
        process.update(state, summed([*parts, *parts], terms))
    # The coordinator's own count of devices decides.
    with pytest.raises(ImplausibleSumError, match="count of devices over 4 honest devices is 4 to 4, not 3"):
        process.update(state, (delta, counts), devices=4)
    far = terms.encoding.levels * np.where(np.arange(len(delta)) % 2, 1, -1)  # the largest numbers of the ring
    with pytest.raises(ImplausibleSumError, match="as long as honest devices can make it"):
        process.update(state, ((delta + 3 * far.astype(np.uint16)) % np.uint16(2**terms.bits), counts), devices=3)


def test_rounds_before_another_model_was_taken_over_count_as_privacy_spent(small_model: Model) -> None:
    unlimited = Privacy("tree", noise_multiplier=0.7, period=2)
    privacy = Privacy("tree", noise_multiplier=0.7, period=2, max_rho=spent(unlimited, 4).rho)
    summation = SumSettings(12, cohort=4, clipping_norm=0.4, max_weight=1)
    config, server = small_model.provenance.config, Server("fedavg", 1.0)
    how = (config, small_model.weights, HOW, server, summation, privacy)
    process = ServerProcess(*how, seed=3, noise_seed=1234, before=4)
    state = process.initialize()
    assert process.rounds(state) == 4
    assert process.spent(state).rho == process.spent(state, unmasked=3).rho == spent(unlimited, 4).rho
    assert process.spent(state, unmasked=5).rho == spent(unlimited, 5).rho
    with pytest.raises(BudgetExhaustedError, match="round 5 would raise epsilon"):
        process.prepare(state)
