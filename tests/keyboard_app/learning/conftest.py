"""Fixtures of the tests of learning."""

import numpy as np
import pytest

from model.device.runtime import Program, State


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tokens read by the steps of any program."""
    read: list[int] = []
    step = Program.step

    def spy(self: Program, token: int, state: State) -> tuple[np.ndarray, State]:
        read.append(token)
        return step(self, token, state)

    monkeypatch.setattr(Program, "step", spy)
    return read
