"""Measurements of quantities, and the benchmark's parts on a small model."""

import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.benchmarks.measuring import Conclusion, Figure, in_turn, ratios


def test_measures_take_turns_and_the_first_turn_is_not_counted() -> None:
    called: list[str] = []

    def measure(name: str) -> Callable[[], float]:
        def once() -> float:
            called.append(name)
            return len(called)

        return once

    found = in_turn({"a": measure("a"), "b": measure("b")}, repeats=2)
    assert called == ["a", "b", "b", "a", "a", "b"], "every other turn is reversed"
    assert found == {"a": [4, 5], "b": [3, 6]}
    assert ratios(found["b"], found["a"]) == [3 / 4, 6 / 5]


def test_a_figure_shows_its_spread() -> None:
    assert Figure("x", "a quantity", "ms", [3, 1, 2], "under 4").as_json() == {
        "what": "a quantity",
        "unit": "ms",
        "median": 2,
        "lowest": 1,
        "highest": 3,
        "repeats": 3,
        "target": "under 4",
        "interval": [1, 3],
        "verdict": "met",
    }


@pytest.mark.parametrize(
    ("values", "target", "ratio", "verdict"),
    [
        ([1.6, 1.7, 1.8], "at least 1.5", True, Conclusion.MET),
        ([1.5, 1.5, 1.5], "at least 1.5", True, Conclusion.MET),
        ([1.2, 1.3, 1.4], "at least 1.5", True, Conclusion.MISSED),
        ([1.4, 1.7, 1.8], "at least 1.5", True, Conclusion.NOISY),
        ([14, 15, 17], "at most 16", False, Conclusion.NOISY),
        ([150, 150, 150], "under 150", False, Conclusion.MISSED),
        ([0.9, 1.2, 1.3], "", True, Conclusion.NOISY),
        ([1.1, 1.2, 1.3], "", True, Conclusion.UNKNOWN),
        ([1.1], "", True, Conclusion.UNKNOWN),
        ([1.0, 1.0], "", True, Conclusion.UNKNOWN),
        ([10, 12, 20], "", False, Conclusion.NOISY),
        ([10, 11, 12], "", False, Conclusion.UNKNOWN),
        ([100], "under 150", False, Conclusion.MET),
    ],
)
def test_a_row_says_whether_its_spread_leaves_a_doubt(
    values: list[float], target: str, ratio: bool, verdict: Conclusion
) -> None:
    assert Figure("x", "a quantity", "", values, target, ratio).verdict == verdict


def test_numbers_of_different_things_are_not_noisy() -> None:
    assert Figure("x", "devices in a round", "", [3, 8, 20], count=True).verdict == Conclusion.UNKNOWN


@given(st.integers(1, 60))
def test_the_interval_of_a_median_covers_it_as_often_as_it_says(count: int) -> None:
    """The number of measurements below the median is binomial, so that the interval misses it by both tails of this."""
    low, high = Figure("x", "a quantity", "", list(range(count))).interval
    assert low + high == count - 1, "as many measurements on either side"
    covered = 1 - 2 * sum(comb(count, i) for i in range(int(low) + 1)) / 2**count
    assert covered >= 0.95 or (low, high) == (0, count - 1)
    narrower = covered - 2 * comb(count, int(low) + 1) / 2**count
    assert narrower < 0.95 or low + 1 > high - 1, "it is no wider than it has to be"


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("device", ("--typed-words", 300, "--learned-words", 1000)),
        ("coordinator", ("--fleet", 4, "--enrolled", 1800, "--seconds", 1)),
    ],
)
def test_a_part_measures_every_quantity(
    what: str, options: tuple[object, ...], small_model_folder: Path, tmp_path: Path, federate_process: Callable
) -> None:
    where = ("--model", small_model_folder, "--json", "--out", tmp_path / "out")
    done = federate_process("benchmark", what, "--repeats", 1, *where, *options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert all(figure["median"] > 0 for figure in result[what]["figures"].values())
    kept = json.loads((tmp_path / "out" / f"{what}.json").read_text("utf-8"))
    assert (kept["figures"], kept["on"]) == (result[what]["figures"], result["on"])
    assert kept["load"].keys() == {"before", "after"}
    assert all(f["what"] in (tmp_path / "out" / "tables.md").read_text("utf-8") for f in kept["figures"].values())
