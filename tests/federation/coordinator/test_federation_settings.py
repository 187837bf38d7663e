"""The settings that a federation keeps from its first start."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from federation.aggregation.sum_settings import SumSettings
from federation.coordinator.federation_settings import FederationSettings
from model.device.learning.finetuning import FineTuning


def test_a_federation_keeps_the_settings_it_was_started_with(tmp_path: Path) -> None:
    settings = FederationSettings(FineTuning(passes=1), SumSettings(cohort=5), seed=3)
    begun = settings.begin(tmp_path)
    assert settings.begin(tmp_path) == begun
    assert begun.noise_seed and (tmp_path / "federation.json").stat().st_mode & 0o077 == 0
    with pytest.raises(DataError, match="was started with"):
        replace(settings, summation=SumSettings(cohort=6)).begin(tmp_path)
    (tmp_path / "federation.json").write_text("{}garbage")
    with pytest.raises(DataError, match="cannot read the settings"):
        settings.begin(tmp_path)
