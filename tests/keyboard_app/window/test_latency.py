import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_benchmark_measures_a_real_window(display: None, small_model_folder: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "federation",
        "benchmark",
        "keyboard",
        "--presses",
        "5",
        "--repeats",
        "1",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--model", str(small_model_folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])["keyboard"]
    median = {name: figure["median"] for name, figure in result["figures"].items()}
    assert set(median) == {
        "start",
        "idle_p50",
        "idle_p99",
        "learning_p50",
        "learning_p99",
        "glide_idle_p99",
        "glide_learning_p99",
        "bare_p50",
        "idle_to_bare",
        "memory",
        "bare_memory",
        "private_memory",
        "shared_memory",
    }
    for when in ("idle", "learning"):
        assert 0 < median[f"{when}_p50"] <= median[f"{when}_p99"]
        assert median[f"glide_{when}_p99"] > 0
    assert median["start"] > 0
    assert 10 < median["bare_memory"] < median["memory"]
    assert 0.5 * median["memory"] < median["private_memory"] + median["shared_memory"] <= median["memory"] + 1
    assert min(median["private_memory"], median["shared_memory"]) > 10
    assert not list(tmp_path.glob("keyboard-*"))  # the profile is deleted
