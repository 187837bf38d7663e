"""The program on the oldest runtime of a phone build and on Java, and the device on the Python version of phones."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.device.folder import PRETRAINED, Model, load_model, save_model
from model.device.programs import PROGRAMS, SHIPPED, file_name
from model.device.runtime import _masked

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEVICE_ALONE = ROOT / "tests" / "keyboard_app" / "device_alone.py"
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
HEADLESS = [package for package in DEPENDENCIES if not package.startswith("kivy")]
Run = Callable[..., str]  # the fixture `run_python`


def test_the_programs_give_the_same_losses_under_tflite_runtime_2_8(tmp_path: Path, run_python: Run) -> None:
    """The second program has more rows than the vocabulary; the masked ones are filled as `model.device.runtime` fills them."""
    model = load_model(PRETRAINED)
    config = model.provenance.config
    rows = np.random.default_rng(0).integers(1, config.vocabulary, (config.batch, config.window + 1), dtype=np.int32)
    found = []
    for size in SHIPPED:
        arrays = tmp_path / f"{size.vocabulary}.npz"
        np.savez(arrays, rows=rows, **_masked(model.weights, size.vocabulary))
        arguments = [HERE / "old_runtime.py", PROGRAMS / file_name(size), arrays]
        found.append(json.loads(run_python("3.9", ["tflite-runtime==2.8.0", "numpy<1.24"], *arguments)))
        found.append(json.loads(subprocess.run([sys.executable, *arguments], capture_output=True, check=True).stdout))
    new = found[1]
    for other in found:
        # Kernels add in other orders on other processors, and four steps on random words at a high rate carry it on.
        np.testing.assert_allclose(other["losses"], new["losses"], rtol=1e-4)
        assert other["losses"][2] < other["losses"][0]
        assert other["best"] == new["best"]
        # Of ten thousand: nearly equal words may change places, more of them where words are many and unlikely.
        np.testing.assert_allclose(other["ranks"], new["ranks"], atol=5, rtol=0.05)
        assert other["equal"], "weights are read back unchanged"


def test_the_device_runs_under_python_3_13_and_numpy_2(
    tmp_path: Path, small_model_folder: Path, run_python: Run
) -> None:
    packages = ["numpy>=2", *HEADLESS]
    assert run_python("3.13", packages, "-c", "import numpy; print(numpy.__version__)").startswith("2.")
    said = run_python("3.13", packages, DEVICE_ALONE, tmp_path / "profile", small_model_folder)
    assert "learned from" in said
    assert "contributed" in said


def test_the_java_backend_gives_the_same_results_and_runs_the_whole_device(
    tmp_path: Path, two_vocabularies: tuple[Model, Model], run_python: Run
) -> None:
    """Its program has more rows than the vocabulary."""
    save_model(tmp_path / "model", two_vocabularies[0])
    sources = sorted((HERE / "java").rglob("*.java"))
    subprocess.run(["javac", "-d", tmp_path / "classes", *sources], check=True)
    packages = ["pyjnius", *HEADLESS]
    said = run_python(
        "3.11", packages, HERE / "java_runtime.py", tmp_path / "classes", tmp_path / "model", tmp_path / "profile"
    )
    assert "learned from" in said
    assert "contributed" in said
    assert "programs by Java" in said
