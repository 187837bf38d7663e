"""A round over real keyboards: profiles on this machine, each trained by its own process on words that stay there.

1. the round's global weights and an invitation go into each keyboard's mailbox;
2. a keyboard that is open answers by itself; for one that is not, a process is started that does;
3. the deltas that come back are checked: of this round's weights, of the right shapes, finite;
4. the aggregation, TFF's, turns them into the next global model;
5. which is offered to every keyboard that was called.
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.errors import DataError, UserFacingError
from federation.processes import start
from federation.protocol.json_messages import Contribution, Invitation
from federation.protocol.mailbox import Mailbox
from federation.reports.model_card import round_card
from model.device.folder import Model, save_model
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights, digest, load_weights, next_provenance, save_weights

_POLL_SECONDS = 0.1
_HELD = "is open in another"  # what a keyboard process says of a profile whose window is open: the window answers

Aggregate = Callable[[Weights, Sequence[Weights], Sequence[int]], Weights]


@dataclass(frozen=True)
class LocalKeyboard:
    """What a keyboard brought to a round; `error` says why nothing, where it brought nothing."""

    profile: Path
    contribution: Contribution
    delta: Weights | None

    @property
    def summary(self) -> dict[str, object]:
        """For printing: losses are nats per word on the keyboard's own words."""
        c = self.contribution
        report = {
            "profile": str(self.profile),
            "words": c.words,
            "loss_before": c.loss_before,
            "loss_after": c.loss_after,
        }
        return report | ({"error": c.error} if c.error else {})


def call_keyboards(
    profiles: Sequence[Path], model: Model, how: FineTuning, seed: int, deadline: float, shipped: Path
) -> list[LocalKeyboard]:
    """Has each keyboard train the model's weights on its own words and fetches the deltas.

    Args:
      profiles: the keyboards' profile folders.
      model: the round's global model.
      how: how each keyboard trains.
      seed: of the order in which it does.
      deadline: seconds after which a keyboard that has not answered is left out.
      shipped: the model folder that a keyboard which took none over yet begins with.

    Raises:
      DataError: a profile does not exist, or is named twice.
    """
    for profile in profiles:
        if not profile.is_dir():
            raise DataError(f"there is no profile {profile}: type there first (keyboard --profile {profile})")
    if len({p.resolve() for p in profiles}) < len(profiles):
        raise DataError("a profile is named twice: each keyboard counts once")
    round_id = f"{model.provenance.round + 1}-{secrets.token_hex(4)}"
    invitation = Invitation(round_id, seed=seed, **asdict(how))
    mailboxes = [Mailbox(p) for p in profiles]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as cleaning:
        weights = Path(folder) / "weights.safetensors"
        save_weights(weights, model.weights, model.provenance)
        for mailbox in mailboxes:
            cleaning.callback(mailbox.close, round_id)
            mailbox.invite(invitation, weights)
        processes = [_start_keyboard(profile, shipped, round_id) for profile in profiles]
        for process in processes:
            cleaning.callback(_end, process)
        until = time.monotonic() + deadline
        devices = []
        for profile, mailbox, process in zip(profiles, mailboxes, processes, strict=True):
            contribution = _wait(mailbox, round_id, process, until)
            devices.append(_check(profile, mailbox, contribution, model, how))
        return devices


def run_round(
    devices: Sequence[LocalKeyboard],
    model: Model,
    aggregate: Aggregate,
    out: Path,
    simulated: tuple[Sequence[Weights], Sequence[int]] = ((), ()),
) -> Model:
    """Aggregates what the devices brought, and simulated clients beside them, saves the next global model, offers it to all.

    Raises:
      DataError: nobody brought anything.
    """
    counted = [d for d in devices if d.delta is not None]
    if not counted and not simulated[0]:
        raise DataError(
            "no keyboard contributed: " + "; ".join(f"{d.profile}: {d.contribution.error}" for d in devices)
        )
    deltas = [*(d.delta for d in counted if d.delta is not None), *simulated[0]]
    weights = aggregate(model.weights, deltas, [*(d.contribution.words for d in counted), *simulated[1]])
    provenance = next_provenance(model.weights, model.provenance)
    updated = replace(
        model, weights=weights, provenance=provenance, card=round_card(provenance, len(deltas), model.card)
    )
    save_model(out, updated)
    for device in devices:
        Mailbox(device.profile).release(out)
    return updated


def keyboard(*arguments: str | Path) -> list[str]:
    """The command line of a keyboard process."""
    # -P: the folder this was called from stays off the path, where a data.py would stand in for our package.
    return [sys.executable, "-P", "-m", "keyboard_app.cli", *map(str, arguments)]


def _start_keyboard(profile: Path, shipped: Path, round_id: str) -> subprocess.Popen:
    command = keyboard("answer", "--profile", profile, "--model", shipped, "--round", round_id)
    return start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen) -> None:
    # A keyboard that has answered is done but for closing its store; one that has not by now is not waited for.
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()


def _wait(mailbox: Mailbox, round_id: str, process: subprocess.Popen, until: float) -> Contribution:
    """The keyboard's answer; where none comes in time, one with the reason."""
    said = None
    while time.monotonic() < until:
        if said is None and process.poll():
            said = process.communicate()[1].strip()
            if _HELD not in said:
                return Contribution.nothing(round_id, said.splitlines()[-1] if said else "it failed without a word")
        ended = process.poll() == 0
        try:
            if (contribution := mailbox.contribution(round_id)) is not None:
                return contribution
        except (UserFacingError, UnicodeDecodeError) as error:
            return Contribution.nothing(round_id, str(error))
        if ended:
            return Contribution.nothing(round_id, "it ended without an answer")
        time.sleep(_POLL_SECONDS)
    return Contribution.nothing(round_id, "it did not answer in time")


def _check(profile: Path, mailbox: Mailbox, contribution: Contribution, model: Model, how: FineTuning) -> LocalKeyboard:
    """Takes a delta only if it is one of this round's weights."""
    if contribution.error:
        return LocalKeyboard(profile, contribution, None)
    try:
        if not 1 <= contribution.words <= 2 * how.max_words:  # a message of one word has two targets
            raise DataError(f"it claims to have learned from {contribution.words} words, of {how.max_words} asked for")
        vocabulary = model.provenance.vocabulary_sha256
        delta, provenance = load_weights(mailbox.delta_path(contribution.round_id), vocabulary)
        if provenance.parent != digest(model.weights) or provenance.config != model.provenance.config:
            raise DataError("its delta starts from other weights than the round's")
    except UserFacingError as error:
        return LocalKeyboard(profile, Contribution.nothing(contribution.round_id, str(error)), None)
    return LocalKeyboard(profile, contribution, delta)
