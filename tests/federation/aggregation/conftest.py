"""The model of these tests: one with short rows, for which TFF compiles faster."""

import pytest

from model.device.folder import Model


@pytest.fixture(scope="session")
def small_model(short_model: Model) -> Model:
    return short_model
