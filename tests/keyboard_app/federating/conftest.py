"""Fixtures of the tests of a keyboard's part in rounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyboard_app.federating.in_process import Coordinator


@pytest.fixture
def coordinator(tmp_path: Path, small_model_folder: Path) -> Iterator[Coordinator]:
    coordinator = Coordinator(tmp_path / "coordinator", small_model_folder)
    yield coordinator
    coordinator.close()
