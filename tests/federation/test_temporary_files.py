"""Temporary files end with their process, or, if it is killed, when the next one starts."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from federation.temporary_files import removed_at_the_end, use_empty_folder

PROCESS = """if True:
    import subprocess, sys, tempfile, time
    from federation.temporary_files import removed_at_the_end
    with removed_at_the_end():
        tempfile.NamedTemporaryFile(delete=False)
        code = "import tempfile; tempfile.NamedTemporaryFile(delete=False)"
        subprocess.run([sys.executable, "-c", code], check=True)
        print(tempfile.gettempdir(), flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_the_files_of_a_process_and_of_its_children_are_removed(tmp_path: Path, killed: bool) -> None:
    def start() -> tuple[subprocess.Popen[str], Path]:
        settings = os.environ | {"TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", PROCESS]
        process = subprocess.Popen(command, env=settings, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    first, folder = start()
    assert folder.parent == tmp_path
    assert len(list(folder.iterdir())) == 2
    assert folder.stat().st_mode & 0o077 == 0
    if killed:
        first.send_signal(signal.SIGKILL)
    first.communicate("\n")
    assert folder.exists() == killed
    second, other = start()
    third, _ = start()
    assert other.exists(), "a process removes no folder of one that runs"
    for process in (second, third):
        process.communicate("\n")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_emptied_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setenv("TMPDIR", "")
    folder = tmp_path / "temporary" / "learner"
    for _ in range(2):  # the second time after a kill
        use_empty_folder(folder)
        assert list(folder.iterdir()) == []
        Path(tempfile.mkdtemp()).joinpath("source.py").write_text("x")
        assert len(list(folder.iterdir())) == 1
    assert os.environ["TMPDIR"] == str(folder)
    with removed_at_the_end():
        assert Path(tempfile.gettempdir()).parent == folder
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(folder), str(folder))
