"""The folder in a keyboard's profile through which the keyboard and a desktop on the same machine exchange a round's messages.

    mailbox/in/ROUND/     weights.safetensors, vocabulary.txt, then invitation.json     written by the desktop
    mailbox/out/ROUND/    delta.safetensors, then contribution.json     written by the keyboard
    mailbox/release/      a model folder without a program: the newest global model    written by the desktop
    mailbox/taken/        the same, while the keyboard installs it      renamed by the keyboard

A message exists once its JSON file does. That file is renamed into place after the arrays of the message are written. Only the
process that has the profile open answers. A model on offer is put together in a temporary folder beside `release`.
"""

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from federation.protocol.json_messages import Contribution, Invitation

_INVITATION, _CONTRIBUTION = "invitation.json", "contribution.json"
_WEIGHTS, _VOCABULARY = "weights.safetensors", "vocabulary.txt"
_RELEASING = ".release."  # what the names of temporary folders begin with
_ABANDONED_SECONDS = 3_600.0  # age at which a killed process must have left one: putting a model together takes seconds
_PROGRAM = "program.tflite"  # never offered: a keyboard runs no program that did not come with it


class Mailbox:
    """The exchange folder of a profile, as both sides use it."""

    def __init__(self, profile: Path) -> None:
        self._root = profile / "mailbox"

    def invite(self, invitation: Invitation, weights: Path, vocabulary: Path | None = None) -> None:
        """Desktop: invites the keyboard to a round that starts from these global weights. Deletes the files of earlier rounds.

        With a file of their vocabulary, a keyboard takes part whose own model has another one.
        """
        for side in ("in", "out"):
            shutil.rmtree(self._root / side, ignore_errors=True)
        folder = self._root / "in" / invitation.round_id
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, folder / _WEIGHTS)
        if vocabulary is not None:
            shutil.copyfile(vocabulary, folder / _VOCABULARY)
        write_by_rename(folder / _INVITATION, invitation.to_json().encode())

    def invitations(self) -> list[Invitation]:
        """Keyboard: returns the unanswered invitations, oldest first. Skips files that are not valid invitations."""
        # The desktop may delete a folder at any moment, also between two of these calls.
        folders, waiting = list[Path](), list[tuple[int, Invitation]]()
        with suppress(OSError):
            folders = list((self._root / "in").iterdir())
        for folder in folders:
            with suppress(UserFacingError, OSError, UnicodeDecodeError):
                path = folder / _INVITATION
                invitation, written = Invitation.from_json(path.read_text("utf-8")), path.stat().st_mtime_ns
                if invitation.round_id == folder.name and not self._answer(invitation.round_id).exists():
                    waiting.append((written, invitation))
        return [invitation for _, invitation in sorted(waiting, key=lambda found: found[0])]

    def invited_weights(self, round_id: str) -> Path:
        """Keyboard: returns the file of the round's global weights."""
        return self._root / "in" / round_id / _WEIGHTS

    def invited_vocabulary(self, round_id: str) -> Path | None:
        """Keyboard: returns the file of the round's vocabulary; None if the invitation came without one."""
        path = self._root / "in" / round_id / _VOCABULARY
        return path if path.exists() else None

    def delta_path(self, round_id: str) -> Path:
        """Returns the file to which the keyboard writes its delta before it answers, and from which the desktop reads it."""
        return self._root / "out" / round_id / "delta.safetensors"

    def answer(self, contribution: Contribution) -> None:
        """Keyboard: answers an invitation; the delta must already be in its place. Deletes the delta if the round is over."""
        if not self.invited_weights(contribution.round_id).exists():
            shutil.rmtree(self._answer(contribution.round_id).parent, ignore_errors=True)
            return
        write_by_rename(self._answer(contribution.round_id), contribution.to_json().encode())

    def _answer(self, round_id: str) -> Path:
        return self._root / "out" / round_id / _CONTRIBUTION

    def contribution(self, round_id: str) -> Contribution | None:
        """Desktop: returns the keyboard's answer, or None if there is none yet.

        Raises:
          DataError: the file is not a contribution to this round.
        """
        try:
            contribution = Contribution.from_json(self._answer(round_id).read_text("utf-8"))
        except FileNotFoundError:
            return None
        if contribution.round_id != round_id:
            raise DataError(f"the answer to round {round_id} is a contribution to round {contribution.round_id}")
        return contribution

    def close(self, round_id: str) -> None:
        """Desktop: deletes the messages of a round that is over."""
        for side in ("in", "out"):
            shutil.rmtree(self._root / side / round_id, ignore_errors=True)

    def release(self, model: Path) -> None:
        """Desktop: offers a model folder as the newest global model, in place of an earlier offer that was not taken."""
        self._root.mkdir(parents=True, exist_ok=True)
        self.sweep()
        temporary = Path(tempfile.mkdtemp(dir=self._root, prefix=_RELEASING))
        try:
            shutil.copytree(model, temporary / "release", ignore=shutil.ignore_patterns(_PROGRAM))
            # The keyboard may be taking the earlier offer at this moment, so it is moved away as a whole.
            with suppress(FileNotFoundError):
                (self._root / "release").rename(temporary / "old")
            (temporary / "release").rename(self._root / "release")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def sweep(self) -> None:
        """Deletes what processes left behind that were killed while they offered a model."""
        for leftover in self._root.glob(f"{_RELEASING}*"):
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)

    def released(self) -> bool:
        """Keyboard: returns whether a model is on offer, or was taken and not yet installed or refused."""
        return self.waiting_release() is not None

    def waiting_release(self) -> Path | None:
        """Keyboard: returns the newest model folder on offer, or taken and not yet installed or refused; None without one."""
        return next((path for name in ("release", "taken") if (path := self._root / name).is_dir()), None)

    def take_release(self) -> Path | None:
        """Keyboard: takes the model folder on offer, so that a newer offer cannot change it.

        Returns the folder taken, the one taken before if nothing is on offer, or None if there is neither.
        """
        offered, taken = self._root / "release", self._root / "taken"
        if offered.is_dir():
            shutil.rmtree(taken, ignore_errors=True)
            with suppress(
                FileNotFoundError
            ):  # the desktop is replacing the offer; the newer one is taken the next time
                offered.rename(taken)
        return taken if taken.is_dir() else None

    def discard_taken(self) -> None:
        """Keyboard: deletes the model taken, once it is installed or refused."""
        shutil.rmtree(self._root / "taken", ignore_errors=True)
