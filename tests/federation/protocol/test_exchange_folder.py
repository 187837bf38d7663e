"""The folder through which a keyboard and a desktop on the same machine exchange a round's messages."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from federation.protocol.exchange_folder import Mailbox
from keyboard_app.recording.user_profile import Profile

# A desktop that stops in the middle of offering a model.
STOPPED = textwrap.dedent("""
    import shutil, sys, time
    from pathlib import Path
    from federation.protocol.exchange_folder import Mailbox

    def stop(*_, **__):
        print("copying", flush=True)
        time.sleep(600)

    shutil.copytree = stop
    Mailbox(Path(sys.argv[1])).release(Path(sys.argv[2]))
""")


def stopped_desktop(profile: Path, model: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(profile), str(model)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "copying\n"
    return process


def temporary(profile: Path) -> list[Path]:
    return list((profile / "mailbox").glob(".release.*"))


def test_nothing_stays_of_a_desktop_that_was_killed_while_it_offered_a_model(tmp_path: Path) -> None:
    profile, model = tmp_path / "profile [of a]", tmp_path / "model"
    model.mkdir()
    (model / "weights").touch()
    for begin in (lambda: Mailbox(profile).release(model), lambda: Profile.open(profile).close()):
        with stopped_desktop(profile, model) as desktop:
            (left,) = temporary(profile)
            begin()
            assert left.exists(), "the desktop may still be at work"
            desktop.kill()
        hours_ago = time.time() - 2 * 3_600
        os.utime(left, (hours_ago, hours_ago))
        begin()
        assert temporary(profile) == []
    assert [path.name for path in (profile / "mailbox" / "release").iterdir()] == ["weights"]
