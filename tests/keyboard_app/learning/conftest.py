"""Fixtures of the tests of learning."""

import numpy as np
import pytest

from model.device.network import Network, State


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tokens read by the steps of any network that types."""
    read: list[int] = []
    step = Network.step

    def spy(self: Network, token: int, state: State) -> tuple[np.ndarray, State]:
        read.append(token)
        return step(self, token, state)

    monkeypatch.setattr(Network, "step", spy)
    return read
