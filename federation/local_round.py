"""A round over the keyboards of this machine. Each trains in its own process, on words that stay in its profile.

1. The round's global weights, their vocabulary and an invitation go into each keyboard's exchange folder.
2. A process is started for each keyboard and answers. If the keyboard's window is open, the window answers instead.
3. The deltas are checked: they must start from this round's weights, have the right shapes and be finite.
4. TFF's aggregation turns them into the next global model.
5. This model is offered to every keyboard of the round.
"""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.errors import DataError, UserFacingError
from federation.keyboards import end_keyboard, start_keyboard, wait_for_answer
from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Contribution, Invitation
from federation.reports.model_card import round_card
from model.device.folder import VOCABULARY, WEIGHTS, Model, save_model
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights, digest, load_weights, next_provenance, save_weights

Aggregate = Callable[[Weights, Sequence[Weights], Sequence[int]], Weights]


@dataclass(frozen=True)
class LocalKeyboard:
    """A keyboard's part in a round. Without a delta, the contribution's `error` says why."""

    profile: Path
    contribution: Contribution
    delta: Weights | None

    @property
    def summary(self) -> dict[str, object]:
        """The figures to print; losses are nats per word, on the keyboard's own words."""
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
    """Lets each keyboard train the model's weights on its own words, and returns the deltas.

    Args:
      profiles: the keyboards' profile folders.
      model: the round's global model.
      how: how each keyboard trains.
      seed: seed of the order of the training rows.
      deadline: seconds to wait for answers; keyboards that have not answered by then are left out.
      shipped: the model folder that a keyboard without a global model starts with.

    Raises:
      DataError: a profile does not exist, or is named twice.
    """
    for profile in profiles:
        if not profile.is_dir():
            raise DataError(f"there is no profile {profile}: create it by typing (keyboard --profile {profile})")
    if len({p.resolve() for p in profiles}) < len(profiles):
        raise DataError("a profile is named twice: name each keyboard once")
    round_id = f"{model.provenance.round + 1}-{secrets.token_hex(4)}"
    invitation = Invitation(round_id, seed=seed, **asdict(how))
    mailboxes = [Mailbox(p) for p in profiles]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as cleaning:
        weights, vocabulary = Path(folder) / WEIGHTS, Path(folder) / VOCABULARY
        save_weights(weights, model.weights, model.provenance)
        model.vocabulary.save(vocabulary)
        for mailbox in mailboxes:
            cleaning.callback(mailbox.close, round_id)
            mailbox.invite(invitation, weights, vocabulary)
        processes: list[subprocess.Popen[str]] = []
        for profile in profiles:
            processes.append(start_keyboard(profile, shipped, round_id))
            cleaning.callback(end_keyboard, processes[-1])  # at once, in case the next one cannot be started
        until = time.monotonic() + deadline
        devices = []
        for profile, mailbox, process in zip(profiles, mailboxes, processes, strict=True):
            contribution = wait_for_answer(mailbox, round_id, process, until)
            devices.append(_check(profile, mailbox, contribution, model, how))
        return devices


def run_round(
    devices: Sequence[LocalKeyboard],
    model: Model,
    aggregate: Aggregate,
    out: Path,
    simulated: tuple[Sequence[Weights], Sequence[int]] = ((), ()),
) -> Model:
    """Aggregates the deltas of devices and simulated clients, saves the next global model, and offers it to the devices.

    Args:
      devices: the keyboards' parts.
      model: the round's global model.
      aggregate: maps the global weights, the deltas and their numbers of words to the next weights.
      out: the folder for the next global model.
      simulated: deltas of simulated clients, and their numbers of words.

    Raises:
      DataError: no keyboard and no simulated client gave a delta.
    """
    contributing = [d for d in devices if d.delta is not None]
    if not contributing and not simulated[0]:
        raise DataError(
            "no keyboard contributed: " + "; ".join(f"{d.profile}: {d.contribution.error}" for d in devices)
        )
    deltas = [*(d.delta for d in contributing if d.delta is not None), *simulated[0]]
    weights = aggregate(model.weights, deltas, [*(d.contribution.words for d in contributing), *simulated[1]])
    provenance = next_provenance(model.weights, model.provenance)
    updated = replace(
        model, weights=weights, provenance=provenance, card=round_card(provenance, len(deltas), model.card)
    )
    save_model(out, updated)
    for device in devices:
        Mailbox(device.profile).release(out)
    return updated


def _check(profile: Path, mailbox: Mailbox, contribution: Contribution, model: Model, how: FineTuning) -> LocalKeyboard:
    """Reads and checks a keyboard's delta. If the delta is refused, the contribution's `error` gives the reason."""
    if contribution.error:
        return LocalKeyboard(profile, contribution, None)
    try:
        # A message of one word has two targets: the word and the end of the message.
        if not 1 <= contribution.words <= 2 * how.max_words:
            raise DataError(f"its answer counts {contribution.words} words, but a round takes at most {how.max_words}")
        vocabulary = model.provenance.vocabulary_sha256
        delta, provenance = load_weights(mailbox.delta_path(contribution.round_id), vocabulary)
        if provenance.parent != digest(model.weights) or provenance.config != model.provenance.config:
            raise DataError("its delta does not start from the round's weights")
    except UserFacingError as error:
        return LocalKeyboard(profile, Contribution.nothing(contribution.round_id, str(error)), None)
    return LocalKeyboard(profile, contribution, delta)
