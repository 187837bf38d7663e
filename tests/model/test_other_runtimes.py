"""The program on the oldest runtime a phone build may bring, and the device's side on a Python that phones come with."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.device.folder import PRETRAINED, load_model

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def python_of_this_machine(version: str) -> str | None:
    """A Python of this version on the path or kept by pyenv, whose shims on the path may lead nowhere."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(name), *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def environment(version: str, *packages: str) -> list[str]:
    """The command of a Python of this version with packages; skips the test where the machine has none."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on the path: run the tests by `uv run pytest`")
    python = python_of_this_machine(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    options = [option for package in packages for option in ("--with", package)]
    return [uv, "run", "--no-project", "--no-python-downloads", "--python", python, *options, "python"]


def in_root(command: list[str]) -> str:
    settings = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_gives_the_same_losses_under_tflite_runtime_2_8(tmp_path: Path) -> None:
    python = environment("3.9", "tflite-runtime==2.8.0", "numpy<1.24")
    model = load_model(PRETRAINED)
    config = model.provenance.config
    rows = np.random.default_rng(0).integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
    np.savez(tmp_path / "arrays.npz", rows=rows, **model.weights)
    arguments = [str(HERE / "old_runtime.py"), str(PRETRAINED / "program.tflite"), str(tmp_path / "arrays.npz")]
    old, new = (json.loads(in_root([*command, *arguments])) for command in (python, [sys.executable]))
    np.testing.assert_allclose(old["losses"], new["losses"], atol=1e-4)  # of a loss near 20 that is 5e-6 of it
    assert old["losses"][2] < old["losses"][0]
    assert old["best"] == new["best"]
    assert np.abs(np.subtract(old["ranks"], new["ranks"])).max() <= 5  # of ten thousand: near ties may fall either way


def test_the_device_runs_under_python_3_13_and_numpy_2(tmp_path: Path, small_model_folder: Path) -> None:
    packages = ("numpy>=2", "ai-edge-litert", "safetensors", "filelock", "platformdirs", "better-profanity")
    python = environment("3.13", *packages)
    assert in_root([*python, "-c", "import numpy; print(numpy.__version__)"]).startswith("2.")
    script = ROOT / "tests" / "keyboard_app" / "device_alone.py"
    said = in_root([*python, str(script), str(tmp_path / "profile"), str(small_model_folder)])
    assert "learned from" in said
    assert "contributed" in said
