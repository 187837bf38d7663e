"""How well three models would have predicted the words that a person typed: a curve for each of them.

- The public model, as the keyboard was delivered before anybody's private words reached it.
- The newest global model, which many keyboards learned together.
- The personal model, with the person's n-grams. Its ranks were recorded when the words were typed, before it learned from them.

The first two read the messages typed here once more, one model after the other, so that one program at a time takes up memory.
Neither of them was trained on this keyboard alone, but a federated round may have trained the global model on these messages.

The ranks are kept in an encrypted file of the profile. Together with the models they reveal words, so that a deletion removes the
file.
"""

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data.errors import UserFacingError
from data.files import write_by_rename
from data.tokenizer import tokenize
from keyboard_app.learning.background import Step
from keyboard_app.learning.models import Models
from keyboard_app.recording.user_profile import HINDSIGHT, Profile
from keyboard_app.recording.vault import Vault
from model.device.folder import PUBLIC, Model, load_model
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from model.device.weights import digest

WORDS = 5_000  # of the newest messages: a few seconds of work for each model
_IDENTITY = "hindsight"

RanksByMessage = dict[int, list[int | None]]  # by the message's id, for each of its tokens; None for an unknown word


@dataclass(frozen=True)
class Hindsight:
    """The ranks by models, each named by the digest of its weights."""

    ranks: dict[str, RanksByMessage] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, vault: Vault) -> "Hindsight":
        """Reads the file; a missing or damaged one has no ranks, because they can be worked out again."""
        try:
            found = json.loads(vault.open(path.read_bytes(), _IDENTITY))
            return cls({model: {int(m): ranks for m, ranks in by.items()} for model, by in found.items()})
        except (OSError, UserFacingError, ValueError, AttributeError, RecursionError):
            return cls()

    def save(self, path: Path, vault: Vault) -> None:
        """Writes the file by rename."""
        write_by_rename(path, vault.seal(json.dumps(self.ranks).encode(), _IDENTITY), mode=0o600)


@dataclass(frozen=True)
class Curves:
    """The ranks of the same words by each model, oldest first. A word that one of the models does not know is left out."""

    public: list[int] | None  # None if the keyboard has no public model
    shared: list[int]
    personal: list[int]

    @classmethod
    def read(cls, profile: Profile, models: Models, public: Path = PUBLIC) -> "Curves | None":
        """Returns the curves over the messages that both models have read; None before a comparison."""
        known = Hindsight.load(profile.path / HINDSIGHT, profile.vault).ranks
        shared, start = known.get(digest(models.global_model.weights)), None
        if shared is None:
            return None
        name = _digest_of(public)
        if name is not None:
            start = known.get(name)
            if start is None:
                return None
        columns: list[tuple[int, int, int]] = []
        for message in profile.store.ranked_messages():
            personal = [ranks.rank for ranks in message.ranks]
            others = [shared.get(message.id, []), personal if start is None else start.get(message.id, [])]
            if any(len(other) != len(personal) for other in others):
                continue  # not read yet, or a long message whose words are still to be ranked
            for by_shared, by_public, own in zip(*others, personal, strict=True):
                if by_shared is not None and by_public is not None and own is not None:
                    columns.append((by_public, by_shared, own))
        first, second, third = ([column[i] for column in columns] for i in range(3))
        return cls(None if start is None else first, second, third)


class ModelComparison:
    """The task (`keyboard_app.learning.background`) of working out the ranks that are missing from the profile's file."""

    def __init__(self, profile: Profile, models: Models, public: Path = PUBLIC) -> None:
        """Reads the messages typed here."""
        self.title = "comparing models"
        self._profile = profile
        self._global, self._public = models.global_model, public
        self._texts = _newest_typed(profile)
        self._deletion = profile.store.last_deletion()
        self._found: Hindsight | None = None

    def work(self) -> Generator[Step]:
        """Ranks the words by one model after the other; a model that read a message before does not read it again.

        Raises:
          DataError: the public model is damaged.
        """
        known = Hindsight.load(self._profile.path / HINDSIGHT, self._profile.vault).ranks
        found: dict[str, RanksByMessage] = {}
        for place, model in enumerate(self._models()):
            before = known.get(digest(model.weights), {})
            by_model = found[digest(model.weights)] = {m: before[m] for m in self._texts if m in before}
            predictor = Predictor(Reader(model.network(), phrases=model.phrases), model.vocabulary)
            for number, (message, text) in enumerate(self._texts.items(), 1):
                if message not in by_model:
                    by_model[message] = [p.rank for p in predictor.predict([token.word for token in tokenize(text)])]
                yield Step(place * len(self._texts) + number, 2 * len(self._texts))
            del predictor  # and its network, before the next one is made
        self._found = Hindsight(found)

    def _models(self) -> Iterator[Model]:
        if self._public.is_dir():
            yield load_model(self._public)
        yield self._global

    def finish(self) -> str:
        """Keeps the ranks, unless a message was deleted in the meantime."""
        if self._found is not None and self._profile.store.last_deletion() == self._deletion:
            self._found.save(self._profile.path / HINDSIGHT, self._profile.vault)
        return ""


def _newest_typed(profile: Profile) -> dict[int, str]:
    """Returns the newest messages typed here, by id, oldest first."""
    found: dict[int, str] = {}
    words = 0
    for message in profile.store.stream():
        if not message.imported and words < WORDS:
            found[message.id] = message.text
            words += len(tokenize(message.text))
    return dict(sorted(found.items()))


@lru_cache(maxsize=4)  # an installed model does not change while the keyboard runs
def _digest_of(folder: Path) -> str | None:
    return digest(load_model(folder).weights) if folder.is_dir() else None
