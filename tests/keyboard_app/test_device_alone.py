"""The device as on a phone, without TensorFlow and TFF."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "device_alone.py"


def test_it_types_records_learns_and_answers(tmp_path: Path, small_model_folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, small_model_folder],
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "INFO: " not in result.stderr, "LiteRT's notices are kept off the console"
    learned, answered, contributed, modules = result.stdout.splitlines()
    assert "learned from" in learned
    assert "contributed to round r" in answered
    assert contributed == "contributed"
    allowed = ("model.device", "federation.protocol")
    assert all(m in ("model", "federation") or m.startswith(allowed) for m in modules.split())
