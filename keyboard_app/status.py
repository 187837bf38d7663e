"""What a profile has come to, read from its files without taking it: also while its keyboard is open."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError
from keyboard_app.profile import GLOBAL, PERSONAL, STORE, grew_from
from keyboard_app.recall import recall
from keyboard_app.store import Store
from model.device.folder import PRETRAINED, load_model
from model.device.personal import PersonalNgram
from model.device.weights import digest, load_weights

_GATE = ("kept", "words", "old_perplexity", "new_perplexity", "old_recall_at_3", "new_recall_at_3")


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
    gate: dict[str, Any] | None  # what it decided last, by the names of _GATE

    def __str__(self) -> str:
        def percent(share: float | None) -> str:
            return "no words yet" if share is None else f"{share:.1%}"

        gate = "has compared nothing yet"
        if self.gate is not None:
            old, new = (f"perplexity {self.gate[f'{w}_perplexity']:.1f}" for w in ("old", "new"))
            gate = (
                f"kept the {self.gate['kept']} model: on {self.gate['words']:,} words held back "
                f"{old} and recall at 3 {percent(self.gate['old_recall_at_3'])} with the old one, "
                f"{new} and {percent(self.gate['new_recall_at_3'])} with the new one"
            )
        return "\n".join(
            [
                f"recorded        {self.messages:,} messages, {self.words:,} words",
                f"recall at 3     {percent(self.recall_at_3)} (global model: {percent(self.global_recall_at_3)})",
                f"global model    of round {self.round}, {self.global_model[:12]}…",
                f"personal model  {'yes' if self.personal_model else 'none'}, {self.own_words:,} words of your own",
                f"gate            {gate}",
            ]
        )


def read_status(profile: Path, shipped: Path = PRETRAINED) -> Status:
    """Reads a profile's status.

    Raises:
      DataError: it is no profile, or a file in it is damaged.
    """
    if not (profile / STORE).exists():
        raise DataError(f"{profile} is no profile of a keyboard: open the keyboard with it first")
    store = Store.read(profile / STORE)
    try:
        ranks, messages, judgement = store.ranks(), store.messages(), store.last_judgement()
    finally:
        store.close()
    folder = profile / GLOBAL
    model = load_model(folder if folder.is_dir() else shipped)
    personal = profile / PERSONAL
    personalized = personal.exists() and grew_from(load_weights(personal)[1], model)
    return Status(
        len(messages),
        len(ranks),
        recall([r.rank for r in ranks]),
        recall([r.global_rank for r in ranks]),
        model.provenance.round,
        digest(model.weights),
        personalized,
        len(PersonalNgram(model.vocabulary, [message.text for message in messages]).offered),
        None if judgement is None else {name: getattr(judgement, name) for name in _GATE},
    )
