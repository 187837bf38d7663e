"""A window needs no folder for Kivy's files."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PREPARED = """
import os
from keyboard_app.window.kivy_settings import prepare_kivy
prepare_kivy()
print(os.environ["KIVY_HOME"], os.path.exists(os.environ["KIVY_HOME"]))
"""


def test_a_cache_that_cannot_be_written_does_not_keep_a_window_from_opening(display: None, tmp_path: Path) -> None:
    (tmp_path / ".cache").touch()  # as good as a folder that may not be written, also for root
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("KIVY_", "XDG_"))}
    settings = outside | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PREPARED], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder, exists = done.stdout.split()
    assert Path(folder).parent == tmp_path and exists == "True"
    assert [path.name for path in tmp_path.iterdir()] == [".cache"], "it is removed at the end"
