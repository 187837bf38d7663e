"""Keyboards as processes of this machine: their command line, and the processes that answer a round's invitation."""

import subprocess
import sys
import time
from pathlib import Path

from data.errors import UserFacingError
from federation.processes import start
from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Contribution

_POLL_SECONDS = 0.1
_END_SECONDS = 5.0
# A keyboard process reports this if the profile's window is open. The window then answers.
_HELD = "is open in another"


def keyboard(*arguments: str | Path) -> list[str]:
    """Returns the command line of a keyboard process."""
    # -P keeps the current folder off the path: a data.py there would hide our package.
    return [sys.executable, "-P", "-m", "keyboard_app", *map(str, arguments)]


def start_keyboard(profile: Path, shipped: Path, round_id: str) -> subprocess.Popen[str]:
    """Starts a keyboard that answers the invitation to a round and ends.

    Args:
      profile: the keyboard's profile folder.
      shipped: the model folder that a keyboard without a global model starts with.
      round_id: the round's name in the invitation.
    """
    command = keyboard("answer", "--profile", profile, "--model", shipped, "--round", round_id)
    return start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_answer(mailbox: Mailbox, round_id: str, process: subprocess.Popen[str], until: float) -> Contribution:
    """Waits for a keyboard's answer, from its process or from its window.

    Args:
      mailbox: the keyboard's exchange folder.
      round_id: the round's name.
      process: the process that `start_keyboard` started.
      until: the time, on the monotonic clock, at which the wait ends. An answer that is there already counts even if this time
        has passed, because a slow keyboard may have used it up before this one's turn.

    Returns:
      The answer. If none arrives in time, a contribution without words; its `error` gives the reason.
    """
    message = None
    while True:
        if message is None and process.poll():
            message = process.communicate()[1].strip()
            if _HELD not in message:
                return Contribution.nothing(
                    round_id, message.splitlines()[-1] if message else "its process failed without a message"
                )
        ended = process.poll() == 0
        try:
            if (contribution := mailbox.contribution(round_id)) is not None:
                return contribution
        except (UserFacingError, UnicodeDecodeError) as error:
            return Contribution.nothing(round_id, str(error))
        if ended:
            return Contribution.nothing(round_id, "its process ended without an answer")
        if time.monotonic() >= until:
            return Contribution.nothing(round_id, "it did not answer in time")
        time.sleep(_POLL_SECONDS)


def end_keyboard(process: subprocess.Popen[str]) -> None:
    """Ends a process that `start_keyboard` started: one that has answered ends by itself, any other is killed."""
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()
