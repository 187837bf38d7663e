"""What a profile has come to, read from its files without taking it: also while its keyboard is open."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError
from keyboard_app.learning.recall import recall
from keyboard_app.recording.keyholder import where_kept
from keyboard_app.recording.personal_file import load_personal
from keyboard_app.recording.records import Judgement
from keyboard_app.recording.settings import SETTINGS, read_settings
from keyboard_app.recording.store import Store
from keyboard_app.recording.user_profile import GLOBAL, PERSONAL, STORE, grew_from, read_vault
from model.device.folder import PRETRAINED, load_model
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.weights import digest

_GATE = ("kept", "words", "old_perplexity", "new_perplexity", "old_recall_at_3", "new_recall_at_3")
_ANSWERS = {True: "agreed to", False: "not agreed to", None: "not asked about yet"}


@dataclass(frozen=True)
class Status:
    """Recalls are over all words in the vocabulary, each before it was learned from; None without words."""

    messages: int
    words: int  # recorded tokens, known or not
    recall_at_3: float | None  # by the models in use when the words were typed
    global_recall_at_3: float | None  # by the global models, on the same words
    round: int  # federated rounds behind the global model
    global_model: str  # digest of its weights
    personal_model: bool  # whether one has grown from this global model
    own_words: int  # that the vocabulary lacks and the keyboard suggests
    ngram_trust: float  # in the person's n-grams over the network in use
    gate: Judgement | None  # what it decided last
    consent: bool | None  # to record, as the person answered; None for not yet
    keep_days: int | None  # how long messages are kept; None for as long as they are not deleted
    key: str  # where the key is kept that all of this is sealed with

    def __str__(self) -> str:
        def percent(share: float | None) -> str:
            return "no words yet" if share is None else f"{share:.1%}"

        return "\n".join(
            [
                f"recorded        {self.messages:,} messages, {self.words:,} words",
                f"recall at 3     {percent(self.recall_at_3)} (global model: {percent(self.global_recall_at_3)})",
                f"global model    of round {self.round}, {self.global_model[:12]}…",
                f"personal model  {'yes' if self.personal_model else 'none'}, {self.own_words:,} words of your own",
                f"your phrases    count {_trusted(self.ngram_trust)}",
                f"gate            {self.gate or 'has compared nothing yet'}",
                f"recording       {_ANSWERS[self.consent]}, kept {self._kept}",
                f"sealed          with a key {self.key}",
            ]
        )

    @property
    def _kept(self) -> str:
        return "until deleted" if self.keep_days is None else f"for {self.keep_days:,} days"

    def as_json(self) -> dict[str, Any]:
        """The same for programs; of what the gate decided, the names of `_GATE`."""
        gate = None if self.gate is None else {name: getattr(self.gate, name) for name in _GATE}
        return asdict(self) | {"gate": gate}


def _trusted(trust: float) -> str:
    if trust == 0:
        return "nothing: they did not help with your newest messages"
    if trust == USUAL_TRUST:
        return "as much as usual"
    return f"{trust:g} times as much as usual"


def read_status(profile: Path, shipped: Path = PRETRAINED) -> Status:
    """Reads a profile's status.

    Raises:
      DataError: it is no profile, or a file in it is damaged.
    """
    if not (profile / STORE).exists():
        raise DataError(f"{profile} is no profile of a keyboard: open the keyboard with it first")
    vault = read_vault(profile)
    store = Store.read(profile / STORE, vault)
    try:
        ranks, messages, judgement = store.ranks(), store.count_messages(), store.last_judgement()
        texts = [message.text for message in store.learnable()]
        folder = profile / GLOBAL
        model = load_model(folder if folder.is_dir() else shipped)
        trust = store.ngram_trust(digest(model.weights))
    finally:
        store.close()
    personal = profile / PERSONAL
    personalized = personal.exists() and grew_from(load_personal(personal, vault).provenance, model)
    settings = read_settings(profile / SETTINGS)
    return Status(
        messages,
        len(ranks),
        recall([r.rank for r in ranks]),
        recall([r.global_rank for r in ranks]),
        model.provenance.round,
        digest(model.weights),
        personalized,
        len(PersonalNgram(model.vocabulary, texts).offered),
        trust,
        judgement,
        settings.consent,
        settings.keep_days,
        where_kept(profile),
    )
