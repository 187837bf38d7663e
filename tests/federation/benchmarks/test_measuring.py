"""Measurements of quantities, and the benchmark's parts on a small model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.benchmarks.measuring import Figure, in_turn, ratios


def test_measures_take_turns_and_the_first_turn_is_not_counted() -> None:
    called: list[str] = []

    def measure(name: str) -> Callable[[], float]:
        def once() -> float:
            called.append(name)
            return len(called)

        return once

    found = in_turn({"a": measure("a"), "b": measure("b")}, repeats=2)
    assert called == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
    assert ratios(found["b"], found["a"]) == [4 / 3, 6 / 5]


def test_a_figure_shows_its_spread() -> None:
    assert Figure("x", "a quantity", "ms", [3, 1, 2], "under 4").as_json() == {
        "what": "a quantity",
        "unit": "ms",
        "median": 2,
        "lowest": 1,
        "highest": 3,
        "repeats": 3,
        "target": "under 4",
    }


@pytest.mark.parametrize(
    ("what", "options"), [("device", ()), ("coordinator", ("--fleet", 4, "--enrolled", 600, "--seconds", 1))]
)
def test_a_part_measures_every_quantity(
    what: str, options: tuple[object, ...], small_model_folder: Path, tmp_path: Path, federate: Callable
) -> None:
    where = ("--model", small_model_folder, "--json", "--out", tmp_path / "out")
    done = federate("benchmark", what, "--repeats", 1, *where, *options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert all(figure["median"] > 0 for figure in result[what]["figures"].values())
    kept = json.loads((tmp_path / "out" / f"{what}.json").read_text("utf-8"))
    assert (kept["figures"], kept["on"]) == (result[what]["figures"], result["on"])
    assert all(f["what"] in (tmp_path / "out" / "tables.md").read_text("utf-8") for f in kept["figures"].values())
