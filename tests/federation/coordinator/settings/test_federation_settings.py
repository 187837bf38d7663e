"""The settings of a federation: what is kept, what may change between two rounds, and the words of a refusal."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.coordinator.settings.federation_settings import SETTINGS, FederationSettings
from federation.coordinator.settings.settings_change import (
    ALL,
    Value,
    changes,
    check_change,
    fixed_because,
    values_of,
    with_values,
)
from federation.coordinator.settings_in_force import SettingsInForce

PRIVATE: dict[str, Value] = {"dp": "tree", "noise_multiplier": 1.0, "period": 5}

# For each setting, values that differ from the default.
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "minimum": st.integers(4, 20),
    "target": st.integers(3, 19) | st.integers(21, 500),
    "over_selection": st.floats(1.5, 9),
    **{name: st.floats(1, 14) for name in ALL if name.endswith("_seconds")},
    "learning_rate": st.floats(0.6, 9),
    "passes": st.integers(2, 5),
    "max_words": st.integers(2_001, 20_000),
    "trainable": st.sampled_from(["bias", "head"]),
    "softmax": st.just("sampled"),
    "algorithm": st.sampled_from(["fedadam", "fedyogi"]),
    "server_learning_rate": st.floats(1.5, 9),
    "seed": st.integers(1, 2**31),
    "bits": st.integers(8, 15),
    "clip": st.floats(1.5, 9),
    "clip_quantile": st.floats(0.1, 0.9),
    "zeroing": st.just(True),
    "delta": st.floats(1e-9, 1e-6),
}
PRIVATE_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "dp": st.just("distributed"),
    "noise_multiplier": st.floats(2, 9),
    "period": st.integers(6, 99),
    "max_epsilon": st.floats(1, 99),
    "max_rho": st.floats(1, 99),
}
FIXED = {
    "algorithm",
    "server_learning_rate",
    "trainable",
    "seed",
    "clip",
    "clip_quantile",
    "zeroing",
    "dp",
    "noise_multiplier",
    "period",
}


def test_every_setting_has_an_option_and_a_value() -> None:
    assert set(values_of(FederationSettings())) == set(ALL) and set(OTHERS) | set(PRIVATE_OTHERS) == set(ALL)


@given(st.data())
def test_a_change_gives_the_option_and_both_values_or_is_refused_with_them(data: st.DataObject) -> None:
    """Nothing of Python reaches the person: no name of a class, no brackets, no quotes."""
    private = data.draw(st.booleans())
    before = with_values(FederationSettings(), PRIVATE if private else {})
    name = data.draw(st.sampled_from(sorted(PRIVATE_OTHERS if private else OTHERS)))
    value = data.draw((PRIVATE_OTHERS if private else OTHERS)[name])
    after = with_values(before, {name: value})
    old, new = (ALL[name].shown(values_of(settings)[name]) for settings in (before, after))
    assert f"{ALL[name].label} {old} → {new}" in changes(before, after)
    if name in FIXED:
        with pytest.raises(DataError) as refused:
            check_change(before, after)
        said = str(refused.value)
        assert f"--{name.replace('_', '-')} is {old} in this federation and cannot become {new}" in said
        assert "another --folder" in said and fixed_because(name, before) in said
    else:
        check_change(before, after)
        said = changes(before, after)
    assert not set("(){}=_") & set(said) and "Settings" not in said


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"max_words": 20_001}, "words of a device at most must be between 1 and 20000, not 20001"),
        ({"passes": 6}, "passes over a device's words must be between 1 and 5, not 6"),
        ({"keys_seconds": 0.0}, "longest keys stage: 0.0 is not a number above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_the_setting(chosen: dict[str, Value], said: str) -> None:
    with pytest.raises(DataError) as refused:
        with_values(FederationSettings(), chosen)
    assert str(refused.value) == said


@pytest.mark.parametrize("mechanism", ["tree", "distributed"])
def test_differential_privacy_fixes_what_its_accounting_depends_on(mechanism: str) -> None:
    """With distributed noise, also the number of devices that the noise is calibrated for."""
    before = with_values(FederationSettings(), PRIVATE | {"dp": mechanism, "bits": 16})
    fixed = {name for name in ALL if fixed_because(name, before)}
    assert fixed == FIXED | {"target", "bits"} | ({"minimum"} if mechanism == "distributed" else set())


def test_settings_are_kept_and_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    settings = with_values(FederationSettings(), {"target": 7, "dp": "tree", "noise_multiplier": 1, "period": 3})
    settings = settings.with_noise_seed()
    settings.save(tmp_path)
    assert FederationSettings.load(tmp_path) == settings and settings.privacy.max_epsilon == math.inf
    assert settings.noise_seed and (tmp_path / SETTINGS).stat().st_mode & 0o077 == 0
    without_rules = json.loads((tmp_path / SETTINGS).read_text())
    del without_rules["rules"]  # as an earlier version left it
    (tmp_path / SETTINGS).write_text(json.dumps(without_rules))
    assert FederationSettings.load(tmp_path).rules.target == 7
    for damaged in ("{}garbage", "[]", "{}", '{"training": 3}', "\x00"):
        (tmp_path / SETTINGS).write_text(damaged)
        with pytest.raises(DataError, match="cannot read the settings"):
            FederationSettings.load(tmp_path)


def settings_of(world, folder: Path) -> SettingsInForce:
    """Returns the settings of a world, whose folder gets the default ones unless it has some."""
    if not (folder / SETTINGS).exists():
        with_values(FederationSettings(), {"target": 4}).save(folder)
    current = FederationSettings.load(folder)
    return SettingsInForce(folder, current, world.coordinator.rounds, world.coordinator.store)


def test_a_change_waits_for_the_end_of_the_round_even_if_the_coordinator_is_killed(world) -> None:
    """The sum of a round is decoded by the settings that its devices encoded their updates with."""
    world.enrol(6)
    settings = settings_of(world, world.folder)
    world.coordinator.rounds.schedule(2)
    world.advance("commit")
    world.unmask()
    assert settings.change({"target": 9}, world.now).startswith(
        "settings changed from the next round on: target 4 devices → 9"
    )
    assert not settings.apply() and settings.current.rules.target == 4
    world.kill()
    settings = settings_of(world, world.folder)
    assert settings.wanted is not None and not settings.apply()
    assert FederationSettings.load(world.folder).summation.cohort == 4, "the learner decodes the sum with these"
    world.work()
    world.coordinator.tick(world.now)
    assert world.coordinator.rounds.open_round is None, "no round opens before the change is in force"
    assert settings.apply() and world.coordinator.rounds.next_round is None, "the learner prepares the next round anew"
    assert FederationSettings.load(world.folder) == settings.current and settings.current.summation.cohort == 9
    world.work()
    world.coordinator.tick(world.now)
    assert world.round.rules.target == 9
    with pytest.raises(DataError, match="--clip is 1 in this federation and cannot become 2"):
        settings.change({"clip": 2.0}, world.now)
    assert settings.wanted is None and settings.change({"target": 9}, world.now) == ""


def test_before_the_first_round_every_setting_may_change(world) -> None:
    settings = settings_of(world, world.folder)
    assert "differential privacy none → tree" in settings.change(PRIVATE, world.now)
    assert settings.apply() and world.coordinator.rounds.settings.privacy.private
    assert settings.current.summation.max_weight == 1
