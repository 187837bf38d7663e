"""The memory of a keyboard that types with the shipped model and learns."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = "i think that we can go there tonight , if you like . what do you want to do when you get home ?"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives memory back as it sees fit")
def test_a_keyboard_types_and_learns_within_150_mib(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("\n".join([TEXT] * 8), "utf-8")
    command = [sys.executable, "-m", "keyboard_app", "--script", str(tmp_path / "script.txt"), "--json"]
    done = subprocess.run(
        [*command, "--profile", str(tmp_path / "profile")], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert "new" in said["kept"], "a second network was in use"
    assert said["peak_memory_mb"] < 150
