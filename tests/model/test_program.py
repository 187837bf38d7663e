"""The functions of the model in TensorFlow and its LiteRT program compute the same."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from data.errors import DataError
from data.vocabulary import BOUNDARY, PAD
from model import cifg
from model.device.config import ModelConfig
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, finetune
from model.device.programs import PROGRAMS, file_name
from model.device.runtime import Program
from model.device.sampling import draw
from model.device.weights import Weights, initial_weights
from model.program import build_program


def trained_in_tensorflow(
    weights: Weights, rows: np.ndarray, rate: float, norm: float, chosen: Sequence[str] | None = None
) -> tuple[float, Weights]:
    """Trains the chosen weights, by default all."""
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    trained = {name: tensors[name] for name in chosen or tensors}
    with tf.GradientTape() as tape:
        tape.watch(list(trained.values()))
        hidden, _ = cifg.run(tensors, tf.constant(rows[:, :-1]), cifg.zero_state(tensors, len(rows)))
        loss = cifg.mean_loss(tensors, hidden, tf.reshape(tf.constant(rows[:, 1:]), [-1]))
    gradients = cifg.clip_by_global_norm(tape.gradient(loss, list(trained.values())), tf.constant(norm))
    after = {n: (w - rate * g).numpy() for (n, w), g in zip(trained.items(), gradients, strict=True)}
    return float(loss), weights | after


def random_rows(config: ModelConfig, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
    rows[rng.random(rows.shape) < 0.2] = BOUNDARY
    rows[0, config.window // 2 :] = PAD
    return rows


@pytest.fixture(scope="module")
def full_size() -> Model:
    """Returns a model of the shipped size with random weights."""
    config = ModelConfig()
    return Model(initial_weights(config, 1), None, None, build_program(config))  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [0.05, 100.0])
def test_a_training_step_is_the_same_in_tensorflow_and_litert(full_size: Model, norm: float) -> None:
    config = ModelConfig()
    rows = random_rows(config, 2)
    program = Program(full_size.program, config, full_size.weights)
    loss = program.train(rows, 0.5, norm)
    expected_loss, expected = trained_in_tensorflow(full_size.weights, rows, 0.5, norm)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    for name, array in program.weights.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)
        assert np.abs(array - full_size.weights[name]).max() > 1e-7, f"{name} did not learn"


@pytest.mark.parametrize(
    ("trainable", "chosen"), [("bias", ["output_bias"]), ("head", ["gate_bias", "projection", "output_bias"])]
)
@pytest.mark.parametrize("norm", [0.01, 100.0])
def test_a_step_of_a_part_changes_nothing_else_and_clips_by_the_norm_of_that_part(
    full_size: Model, trainable: str, chosen: list[str], norm: float
) -> None:
    config = ModelConfig()
    rows = random_rows(config, 3)
    program = Program(full_size.program, config, full_size.weights)
    loss = program.train(rows, 0.5, norm, trainable)
    expected_loss, expected = trained_in_tensorflow(full_size.weights, rows, 0.5, norm, chosen)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    for name, array in program.weights.items():
        if name in chosen:
            np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)
            assert np.abs(array - full_size.weights[name]).max() > 1e-7, f"{name} did not learn"
        else:
            np.testing.assert_array_equal(array, full_size.weights[name], err_msg=name)
    candidates = draw(rows, config.vocabulary, config.candidates, np.random.default_rng(1))
    program.weights = full_size.weights
    program.learn(rows, candidates, 0.5, norm, trainable)
    for name, array in program.weights.items():
        assert (name in chosen) == (not np.array_equal(array, full_size.weights[name])), name


def test_a_program_of_before_trains_all_weights_and_refuses_to_train_a_part(small_model: Model) -> None:
    program, rows = small_model.start(), random_rows(small_model.provenance.config, 3)
    program.trains_parts = False  # as if its signatures had no input for it
    with pytest.raises(DataError, match="cannot train the head alone"):
        program.train(rows, 0.5, 1.0, "head")
    assert "trained" not in program._settings(0.5, 1.0, "all")


def test_a_step_over_candidates_is_the_same_in_tensorflow_and_litert_and_changes_no_other_row(full_size: Model) -> None:
    config = ModelConfig()
    rows = random_rows(config, 6)
    candidates = draw(rows, config.vocabulary, config.candidates, np.random.default_rng(1))
    words = candidates.words
    program = Program(full_size.program, config, full_size.weights)
    loss = program.learn(rows, candidates, 0.5, 0.05)
    small = full_size.weights | {"embedding": full_size.weights["embedding"][words]}
    small["output_bias"] = full_size.weights["output_bias"][words] + candidates.shift
    expected_loss, expected = trained_in_tensorflow(small, candidates.places(rows), 0.5, 0.05)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    after, others = program.weights, np.setdiff1d(np.arange(config.vocabulary), words)
    for name in ("embedding", "output_bias"):
        np.testing.assert_array_equal(after[name][others], full_size.weights[name][others])
        after[name] = after[name][words]
    expected["output_bias"] -= candidates.shift
    for name, array in after.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)


def test_a_sampled_step_over_all_words_equals_a_step_of_a_round(small_model: Model) -> None:
    config = small_model.provenance.config
    rows = random_rows(config, 7)
    program, other = small_model.start(), small_model.start()
    candidates = draw(rows, config.vocabulary, config.candidates, np.random.default_rng(0))
    for _ in range(2):
        assert program.learn(rows, candidates, 0.5, 1.0) == pytest.approx(other.train(rows, 0.5, 1.0), abs=1e-5)
    for name, array in program.weights.items():
        np.testing.assert_allclose(array, other.weights[name], atol=1e-6)


def test_steps_predictions_and_further_training_use_the_learned_weights(small_model: Model) -> None:
    config = small_model.provenance.config
    rows = random_rows(config, 8)
    candidates = draw(rows, config.vocabulary, config.candidates, np.random.default_rng(0))
    program = small_model.start()
    program.learn(rows, candidates, 0.5, 1.0)
    weights = program.weights
    weights["embedding"] = np.zeros_like(weights["embedding"])  # in a dictionary that the program does not see
    learned = program.weights
    before = {name: array.copy() for name, array in learned.items()}
    fresh = Program(small_model.program, config, learned)
    state = program.initial_state(1)
    np.testing.assert_array_equal(program.step(5, state)[0], fresh.step(5, state)[0])
    assert program.learn(rows, candidates, 0.5, 1.0) == fresh.learn(rows, candidates, 0.5, 1.0)
    assert program.train(rows, 0.5, 1.0) == fresh.train(rows, 0.5, 1.0)
    for name, array in learned.items():
        np.testing.assert_array_equal(array, before[name], err_msg=f"later training changed {name}")
        assert not np.array_equal(array, program.weights[name])
    program.weights = small_model.weights
    for name, array in program.weights.items():
        np.testing.assert_array_equal(array, small_model.weights[name])
    assert program.learn(rows, candidates, 0.5, 1.0) == small_model.start().learn(rows, candidates, 0.5, 1.0)


def test_an_older_program_without_candidates_learns_over_all_words(small_model: Model) -> None:
    program = small_model.start()
    older = Program(without_signature(small_model.program, "learn"), program.config, small_model.weights)
    assert older.candidates is None
    messages = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
    found = [
        list(finetune(p, messages, FineTuning(passes=3, softmax=softmax), np.random.default_rng(0)))
        for p, softmax in ((older, "sampled"), (program, "full"))
    ]
    assert found[0] == found[1]
    for name, array in older.weights.items():
        np.testing.assert_array_equal(array, program.weights[name])


def without_signature(content: bytes, signature: str) -> bytes:
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    model.signatureDefs = [s for s in model.signatureDefs if s.signatureKey != signature.encode()]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def test_the_custom_gradients_equal_automatic_differentiation(small_model: Model) -> None:
    config = small_model.provenance.config
    rows = random_rows(config, 3)
    weights = {name: tf.constant(array) for name, array in small_model.weights.items()}
    targets = tf.reshape(tf.constant(rows[:, 1:]), [-1])
    real = tf.cast(targets != PAD, tf.float32)
    gradients = []
    for plain in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(list(weights.values()))
            hidden, _ = cifg.run(weights, tf.constant(rows[:, :-1]), cifg.zero_state(weights, len(rows)))
            if plain:
                logits = tf.matmul(hidden, weights["embedding"], transpose_b=True) + weights["output_bias"]
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
                loss = tf.reduce_sum(losses * real) / tf.reduce_sum(real)
            else:
                loss = cifg.mean_loss(weights, hidden, targets)
        gradients.append([loss, *tape.gradient(loss, list(weights.values()))])
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_gradient_of_a_kernel_is_the_sum_over_positions(small_model: Model) -> None:
    config = small_model.provenance.config
    rows = tf.constant(random_rows(config, 9)[:, :-1])
    weights = {name: tf.constant(array) for name, array in small_model.weights.items()}
    upstream = tf.constant(
        np.random.default_rng(0).normal(size=(rows.shape[0] * rows.shape[1], config.embedding)), tf.float32
    )
    start = cifg.TensorState(
        *(tf.constant(np.random.default_rng(1).normal(size=s.shape), tf.float32) for s in cifg.zero_state(weights, 4))
    )
    found = []
    for read in (cifg.run, run_step_by_step):
        with tf.GradientTape() as tape:
            tape.watch([*weights.values(), *start])
            hidden, last = read(weights, rows, start)
            value = tf.reduce_sum(hidden * upstream) + tf.reduce_sum(last.cell) - tf.reduce_sum(last.hidden)
        sources = [weights[name] for name in ("input_kernel", "recurrent_kernel", "gate_bias", "projection")]
        found.append([hidden, *last, *tape.gradient(value, [*sources, *start])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def run_step_by_step(
    weights: Weights, tokens: tf.Tensor, state: cifg.TensorState
) -> tuple[tf.Tensor, cifg.TensorState]:
    """Computes the network as in its papers, with automatic differentiation."""
    hidden, cell = state
    states = []
    for position in range(tokens.shape[1]):
        begins = tokens[:, position : position + 1] == BOUNDARY
        hidden, cell = tf.where(begins, 0.0, hidden), tf.where(begins, 0.0, cell)
        read = tf.gather(weights["embedding"], tokens[:, position])
        gates = read @ tf.transpose(weights["input_kernel"]) + hidden @ tf.transpose(weights["recurrent_kernel"])
        forget, output, candidate = tf.split(gates + weights["gate_bias"], 3, axis=1)
        cell = tf.sigmoid(forget) * cell + (1 - tf.sigmoid(forget)) * tf.tanh(candidate)
        hidden = (tf.sigmoid(output) * tf.tanh(cell)) @ tf.transpose(weights["projection"])
        states.append(hidden)
    return tf.reshape(tf.stack(states, 1), [-1, hidden.shape[1]]), cifg.TensorState(hidden, cell)


def test_missing_rows_of_a_batch_have_no_influence(small_model: Model) -> None:
    rows = random_rows(small_model.provenance.config, 4)[:2]
    program = small_model.start()
    loss = program.train(rows, 0.3, 1.0)
    expected_loss, expected = trained_in_tensorflow(small_model.weights, rows, 0.3, 1.0)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    for name, array in program.weights.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5)


def test_the_state_is_reset_at_the_end_of_a_message(small_model: Model) -> None:
    program = small_model.start()
    _, fresh = program.step(BOUNDARY, program.initial_state(1))
    _, state = program.step(7, fresh)
    _, again = program.step(BOUNDARY, state)
    np.testing.assert_array_equal(again.hidden, fresh.hidden)
    np.testing.assert_array_equal(again.cell, fresh.cell)


def test_steps_and_windows_agree(small_model: Model) -> None:
    config, program = small_model.provenance.config, small_model.start()
    rows = random_rows(config, 5)
    evaluation, _ = program.evaluate(rows, program.initial_state(config.batch))
    for row in range(config.batch):
        state = program.initial_state(1)
        for position in range(config.window):
            logits, state = program.step(int(rows[row, position]), state)
            target = rows[row, position + 1]
            likelihood = logits[target] - np.log(np.exp(logits.astype(np.float64)).sum())
            assert evaluation.log_likelihood[row, position] == pytest.approx(likelihood, abs=1e-4)
            if target > BOUNDARY:
                assert evaluation.rank[row, position] == (logits[BOUNDARY + 1 :] > logits[target]).sum()


def test_weights_are_read_back_unchanged(small_model: Model) -> None:
    for name, array in small_model.start().weights.items():
        np.testing.assert_array_equal(array, small_model.weights[name])


def test_the_program_holds_no_weights(full_size: Model) -> None:
    assert len(full_size.program) < 500_000


def test_the_program_that_the_app_comes_with_is_what_the_exporter_builds(full_size: Model) -> None:
    assert (PROGRAMS / file_name(ModelConfig())).read_bytes() == full_size.program


def test_exported_weights_are_in_the_program(small_model: Model) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = build_program(small_model.provenance.config, small_model.weights)
    weights = Interpreter(model_content=content).get_signature_runner("get_weights")(unused=np.float32(0))
    for name, array in weights.items():
        np.testing.assert_array_equal(array, small_model.weights[name])


def test_a_program_of_other_sizes_is_refused(small_model: Model, full_size: Model) -> None:
    config = small_model.provenance.config
    for content in (b"", b"TFL3", full_size.program, small_model.program[:5000]):
        with pytest.raises(DataError):
            Program(content, config, small_model.weights)
    other = replace(config, units=config.units + 1)
    with pytest.raises(DataError, match="was built for"):
        Program(small_model.program, other, initial_weights(other, 0))
