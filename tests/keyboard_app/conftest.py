"""A device on a small model, and a display for the real window."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyboard_app.device import Device
from model.device.folder import Model

# Kivy reads it when it is first imported.
os.environ["KIVY_HOME"] = tempfile.mkdtemp(prefix="kivy-")


@pytest.fixture
def device(tmp_path: Path, small_model_folder: Path) -> Iterator[Device]:
    """A device on an empty profile, `tmp_path / "profile"`."""
    with Device.open(tmp_path / "profile", small_model_folder, consenting=True) as device:
        yield device


@pytest.fixture
def next_model(small_model: Model, tmp_path: Path) -> Model:
    """What the small model might be a round later."""
    from dataclasses import replace

    from model.device.weights import digest

    weights = {name: array * 0.9 for name, array in small_model.weights.items()}
    provenance = replace(small_model.provenance, round=12, parent=digest(small_model.weights))
    return small_model.with_weights(weights, provenance)


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A display to open windows on: the one that is there, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None:
        pytest.fail(
            "the tests of the window need a display or Xvfb: apt-get install xvfb libgl1 libgl1-mesa-dri", pytrace=False
        )
    ready, announce = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(announce), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        pass_fds=[announce],
        stderr=subprocess.DEVNULL,
    )
    os.close(announce)
    with os.fdopen(ready) as pipe:
        number = pipe.readline().strip()
    try:
        if not number:
            pytest.fail("Xvfb did not start: run `Xvfb -displayfd 1` to see why", pytrace=False)
        os.environ["DISPLAY"] = f":{number}"
        yield
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()
