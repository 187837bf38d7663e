"""The status of a profile, read from its files without locking it, because its keyboard may be open."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError
from keyboard_app.federating.membership import FILE, Membership, SharedUpdate, record_of
from keyboard_app.federating.word_offers import next_words, recorded_words, shares_words
from keyboard_app.learning.recall import recall
from keyboard_app.recording.database.records import Judgement
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.keyholder import where_kept
from keyboard_app.recording.personal_file import load_personal
from keyboard_app.recording.settings import SETTINGS, read_settings
from keyboard_app.recording.user_profile import GLOBAL, PERSONAL, STORE, grew_from, read_vault
from keyboard_app.recording.vault import Vault
from model.device.folder import PRETRAINED, load_model
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.weights import digest

_GATE = ("kept", "words", "old_perplexity", "new_perplexity", "old_recall_at_3", "new_recall_at_3")
_ANSWERS = {True: "allowed", False: "not allowed", None: "not decided yet"}


@dataclass(frozen=True)
class Status:
    """The state of a profile. Recalls count each vocabulary word before it was learned from; None without such words."""

    messages: int
    words: int  # recorded tokens, in the vocabulary or not
    recall_at_3: float | None  # of the models in use when the words were typed
    global_recall_at_3: float | None  # of the global models at the time, over the same words
    round: int  # number of federated rounds behind the global model
    global_model: str  # digest of the global weights
    personal_model: bool  # whether a personal model based on this global model exists
    own_words: int  # number of suggested words that are not in the vocabulary
    ngram_trust: float  # weight of the person's n-grams relative to the network in use
    gate: Judgement | None  # the gate's last decision
    consent: bool | None  # the person's answer about recording; None before they answered
    keep_days: int | None  # days for which messages are kept; None until they are deleted
    key: str  # place of the key that encrypts the profile
    shares_new_words: bool = False  # whether the person wants to share new words in word discoveries
    next_words: tuple[str, ...] = ()  # the words that would be offered in the next one
    offered_words: tuple[str, ...] = ()  # the words that were offered in earlier ones, for any vocabulary

    def __str__(self) -> str:
        return "\n".join(
            [
                f"recorded        {_counted(self.messages, 'message')}, {_counted(self.words, 'word')}",
                f"recall at 3     {self._recall}",
                f"global model    after {_counted(self.round, 'federated round')}, digest {self.global_model[:12]}…",
                f"personal model  {'in use' if self.personal_model else 'none: the global model is in use'}",
                f"own words       {_counted(self.own_words, 'suggested word')} not in the model's vocabulary",
                f"own phrases     {_weighed(self.ngram_trust)}",
                f"last learning   {self.gate or 'none yet'}",
                f"new words       {self._new_words}",
                f"recording       {_ANSWERS[self.consent]}; messages are kept {self._kept}",
                f"encryption      with a key {self.key}",
            ]
        )

    @property
    def _recall(self) -> str:
        if self.recall_at_3 is None or self.global_recall_at_3 is None:
            return "no words yet"
        by_global = f"by the global model alone: {self.global_recall_at_3:.1%}"
        return f"{self.recall_at_3:.1%} of words were among the first three predictions ({by_global})"

    @property
    def _new_words(self) -> str:
        sharing = "shared if the federation asks" if self.shares_new_words else "not shared"
        upcoming = f"; would be offered next: {', '.join(self.next_words)}" if self.next_words else ""
        offered = f"; offered so far: {', '.join(self.offered_words)}" if self.offered_words else ""
        return f"{sharing}{upcoming}{offered}"

    @property
    def _kept(self) -> str:
        return "until deleted" if self.keep_days is None else f"for {_counted(self.keep_days, 'day')}"

    def as_json(self) -> dict[str, Any]:
        """Returns the fields for `--json`; of the gate's decision, only those named in `_GATE`."""
        gate = None if self.gate is None else {name: getattr(self.gate, name) for name in _GATE}
        return asdict(self) | {"gate": gate}


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _weighed(trust: float) -> str:
    if trust == 0:
        return "not used: they did not improve the predictions of your newest messages"
    if trust == USUAL_TRUST:
        return "weighed as usual in suggestions"
    return f"weighed {trust:g} times as much as usual in suggestions"


def read_status(profile: Path, shipped: Path = PRETRAINED, notices: list[str] | None = None) -> Status:
    """Reads a profile's status; `notices` receives lines for the person about a damaged file of the federation.

    Raises:
      DataError: the folder is not a profile, or a file in it is damaged.
    """
    if not (profile / STORE).exists():
        raise DataError(f"{profile} is not a keyboard profile: check the path, or open the keyboard with it first")
    vault = read_vault(profile)
    store = Store.read(profile / STORE, vault)
    try:
        ranks, messages, judgement = store.ranks(), store.count_messages(), store.history.last_judgement()
        texts = [message.text for message in store.learnable()]
        words = recorded_words(store, lambda: True)
        folder = profile / GLOBAL
        model = load_model(folder if folder.is_dir() else shipped)
        trust = store.history.ngram_trust(digest(model.weights))
        settings, shared = read_settings(profile / SETTINGS), _shared(profile, vault, notices)
        upcoming = next_words(words, record_of(shared), model) if shares_words(settings) else []
    finally:
        store.close()
    personal = profile / PERSONAL
    personalized = personal.exists() and grew_from(load_personal(personal, vault).provenance, model)
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
        shares_words(settings),
        tuple(upcoming),
        tuple(dict.fromkeys(word for one in shared if one.offered is not None for word in one.offered.words)),
    )


def _shared(profile: Path, vault: Vault, notices: list[str] | None) -> list[SharedUpdate]:
    """Reads what left the keyboard."""
    if not (profile / FILE).exists():
        return []
    with Membership.open(profile, vault, notices) as membership:
        return membership.shared()
