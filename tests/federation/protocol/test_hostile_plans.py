"""Plans of any content: a device refuses them in one line, or runs the round to its end, with a bounded amount of work."""

import json
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from data.generators import result_of
from federation.benchmarks.loads.secure_round import run_round
from federation.protocol.api_messages import Plan, secure_round
from federation.protocol.delta_encoding import GREATEST_NORM, GREATEST_WEIGHT, LEAST_NORM
from federation.protocol.json_messages import Between, Matching
from federation.protocol.noise import LEAST_STDDEV, system_bits
from federation.protocol.round_terms import Terms, TrainingResult
from keyboard_app.federating.round_training import check_plan, learn
from model.device.config import parameters
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning
from model.device.runtime import Program
from model.device.trainable import TRAINABLE, trainable_parameters

NAME, MESSAGES = "ab12", [[8, 9, 10, 11, 12], [9, 8, 7], [12, 11, 10, 9]] * 30

WHOLE = (*(0, 1, 2, 5, 16, 20_000, 2**15, 2**20, 2**26, 2**31, 2**32, 2**53, 2**63, 2**64), 10**300)
EDGES = st.sampled_from([sign * (number + step) for number in WHOLE for step in (-1, 0, 1) for sign in (1, -1)])
BOUNDS = (1e-6, 10.0, 100.0, LEAST_NORM, GREATEST_NORM, GREATEST_WEIGHT, LEAST_STDDEV, 2.0**16, 2.0**40)
REALS = st.one_of(
    st.sampled_from([b * f for b in BOUNDS for f in (1.0, 1 - 2**-52, 1 + 2**-52, -1.0)]),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-40, 1e-200, 1e300, float("nan"), float("inf"), -float("inf")]),
    st.floats(),
)
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), EDGES, st.integers(), REALS, st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [("", name) for name in Plan.__dataclass_fields__] + [("terms", name) for name in Terms.__dataclass_fields__]


def plan_for(model: Model) -> dict[str, Any]:
    """Returns a plan that devices with this model accept, as JSON values."""
    terms = Terms(parameters(model.provenance.config), 1.0, 1, 3, 16, 5, noise_stddev=1.0, private=True)
    how = FineTuning(passes=1, max_words=100)
    plan = Plan(NAME, "0" * 64, model.vocabulary.sha256, seed=1, terms=terms, **vars(how))
    content: dict[str, Any] = plan.to_content()
    return content


class Work:
    """Counts the steps of training and the random numbers drawn."""

    def __init__(self) -> None:
        self.steps, self.numbers, self.rng = 0, 0, np.random.default_rng(0)

    def random(self, size: int, dtype: type[np.float32]) -> NDArray[np.float32]:
        self.numbers += size
        return self.rng.random(size, dtype)

    def draw(self, count: int) -> NDArray[np.uint64]:
        self.numbers += count
        return system_bits(count)


def run(text: str, model: Model, work: Work) -> None:
    """Runs a round over three devices that receive this plan. They learn from few words, and send the same.

    Raises:
      UserFacingError: they refuse the plan.
    """
    plan = Plan.from_json(text)
    check_plan(plan, NAME, model)
    how = FineTuning(plan.learning_rate, plan.clipping_norm, plan.passes, plan.max_words, plan.trainable)
    training = learn(model, MESSAGES, how, plan.seed)
    while True:
        try:
            next(training)
        except StopIteration as done:
            learned: TrainingResult = done.value
            break
        work.steps += 1
    terms = plan.terms
    parts = [terms.contribution(learned, work, work.draw) for _ in range(3)]  # type: ignore[arg-type]
    devices = [Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32) for number in range(3)]
    result, _ = run_round(secure_round(plan), dict(zip(devices, parts, strict=True)))
    assert np.isfinite(terms.encoding.decode(result.vectors[0])).all()


def check(content: Any, model: Model) -> None:
    work = Work()
    try:
        run(content if isinstance(content, str) else json.dumps(content), model, work)
    except UserFacingError as refused:
        event("refused")
        assert work.numbers == 0 or "delta" in str(refused) or "diverged" in str(refused), "refused before it is done"
        assert str(refused).isprintable() and len(str(refused)) < 400
    else:
        event("run to its end")
    assert work.steps <= 5 * len(MESSAGES)
    assert work.numbers <= 3 * 40 * parameters(model.provenance.config) + 1_000


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.sampled_from(FIELDS), st.one_of(EDGES, REALS, ANY)), min_size=1, max_size=3))
@example(changes=[(("", "seed"), -1)])
@example(changes=[(("terms", "clipping_norm"), 1e-40)])
@example(changes=[(("terms", "clipping_norm"), 1e300)])
@example(changes=[(("terms", "clipping_norm"), LEAST_NORM)])
@example(changes=[(("terms", "clipping_norm"), GREATEST_NORM)])
@example(changes=[(("terms", "noise_stddev"), 1e-200)])
@example(changes=[(("terms", "noise_stddev"), LEAST_STDDEV)])
@example(changes=[(("terms", "noise_stddev"), 2.0**16)])
@example(changes=[(("", "passes"), 10**9)])
@example(changes=[(("", "trainable"), "bias")])
@example(changes=[(("", "trainable"), "body")])
@example(changes=[(("", "trainable"), "bias"), (("terms", "length"), 59)])
def test_any_plan_is_refused_or_run_to_its_end(changes: list, small_model: Model) -> None:
    content = plan_for(small_model)
    for (part, name), value in changes:
        inner = content["terms"] if part else content
        if isinstance(inner, dict):
            inner[name] = value
    check(content, small_model)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=ANY)
@example(content="[" * 100_000)
@example(content='{"terms": ' + "[" * 950 + "]" * 950 + "}")
@example(content="9" * 100_000)
def test_any_text_in_a_plans_place_is_refused(content: object, small_model: Model) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(UserFacingError):
        run(text, small_model, Work())


def test_a_plan_for_a_part_that_a_device_does_not_know_or_of_another_length_is_refused(small_model: Model) -> None:
    content, config = plan_for(small_model), small_model.provenance.config
    for part in TRAINABLE:
        content |= {"trainable": part, "terms": content["terms"] | {"length": trainable_parameters(config, part)}}
        check_plan(Plan.from_content(content), NAME, small_model)
    with pytest.raises(DataError, match=r"trainable of a Plan is not of the form bias\|head\|all: tail"):
        Plan.from_content(content | {"trainable": "tail"})
    with pytest.raises(DataError, match="for another model than this keyboard's"):
        check_plan(Plan.from_content(content | {"trainable": "bias"}), NAME, small_model)


def test_a_keyboard_whose_program_trains_all_weights_only_refuses_a_part(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = plan_for(small_model)
    content |= {"trainable": "bias"}
    content["terms"]["length"] = trainable_parameters(small_model.provenance.config, "bias")
    monkeypatch.setattr(Program, "trains_parts", property(lambda _: False, lambda *_: None), raising=False)
    with pytest.raises(DataError, match="which this keyboard cannot yet: update it"):
        check_plan(Plan.from_content(content), NAME, small_model)


def test_a_keyboard_whose_program_has_no_sampled_softmax_refuses_it(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = plan_for(small_model) | {"softmax": "sampled"}
    check_plan(Plan.from_content(content), NAME, small_model)
    with pytest.raises(DataError, match=r"softmax of a Plan is not of the form full\|sampled: half"):
        Plan.from_content(content | {"softmax": "half"})
    monkeypatch.setattr(Program, "candidates", property(lambda _: None, lambda *_: None), raising=False)
    with pytest.raises(DataError, match="sampled softmax, which this keyboard lacks yet: update it"):
        check_plan(Plan.from_content(content), NAME, small_model)


@pytest.mark.parametrize("written", [True, False])
def test_weights_at_which_a_word_makes_training_diverge_do_not_tell_who_wrote_it(
    small_model: Model, written: bool
) -> None:
    """A keyboard that left the round would tell. It stays, and sends zeros if it is one of those."""
    word, weights = 9, {name: array.copy() for name, array in small_model.weights.items()}
    weights["embedding"][word] = 3e38
    others = [[8, 10, 11, 12, 8], [10, 8, 7], [12, 11, 10, 8]] * 30
    messages = [[word, *message] for message in others] if written else others
    hostile = small_model.with_weights(weights, small_model.provenance)
    learned = result_of(learn(hostile, messages, FineTuning(passes=1, max_words=100), 1))
    assert np.isfinite(learned.delta).all() and len(learned.delta) == parameters(small_model.provenance.config)
    assert not written or (learned.words == 0 and not learned.delta.any())


def test_every_number_and_text_of_a_plan_has_bounds() -> None:
    for kind in (Plan, Terms):
        for name, field in kind.__dataclass_fields__.items():
            if field.type not in (bool, Terms):
                (bounds,) = field.type.__metadata__  # type: ignore[union-attr]
                assert isinstance(bounds, Between | Matching), name


@pytest.mark.parametrize("name", ["seed", "passes", "max_words", "learning_rate", "clipping_norm"])
def test_the_bounds_of_a_plan_are_included(name: str, small_model: Model) -> None:
    content = plan_for(small_model)
    (bounds,) = Plan.__dataclass_fields__[name].type.__metadata__  # type: ignore[union-attr]
    whole = isinstance(content[name], int)
    step = 1 if whole else 1e-9
    for value, inside in ((bounds.least, True), (bounds.most, True), (bounds.least - step, False)):
        text = json.dumps(content | {name: value})
        if inside:
            assert getattr(Plan.from_json(text), name) == value
        else:
            with pytest.raises(DataError, match=name):
                Plan.from_json(text)


def test_a_plan_is_trained_on_as_it_says(small_model: Model) -> None:
    """The unchanged plan runs: else the properties above would hold for nothing."""
    work = Work()
    run(json.dumps(plan_for(small_model)), small_model, work)
    assert work.steps and work.numbers
    assert result_of(learn(small_model, MESSAGES, FineTuning(passes=1, max_words=100), 1)).words
