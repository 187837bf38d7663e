import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_benchmark_measures_a_real_window(display: None, small_model_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "federation.cli", "benchmark", "keyboard", "--presses", "5", "--json"]
    done = subprocess.run(
        [*command, "--model", str(small_model_folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["start_to_first_suggestion_s"] > 0
    assert measured["presses"] == {"idle": 5, "learning": 5}
    for wait in measured["press_to_suggestions_ms"].values():
        assert 0 < wait["p50"] <= wait["p99"]
    assert measured["peak_memory_mb"] > 10
    assert not list(tmp_path.glob("keyboard-*"))  # the profile is thrown away
