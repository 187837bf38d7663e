"""Learning that starts by itself, and the comparison of models that follows it."""

from collections.abc import Callable
from datetime import datetime

from data.tokenizer import tokenize
from keyboard_app.learning.models import Models
from keyboard_app.learning.schedule import REST_SECONDS, Moment, is_due
from keyboard_app.recording.user_profile import Profile
from model.device.learning.finetuning import FineTuning


class AutomaticLearning:
    """Starts to learn, or to compare models, when that is due. Work that a person stopped does not start again at once."""

    def __init__(
        self,
        profile: Profile,
        models: Models,
        learn: Callable[[], object],
        compare_models: Callable[[], object],
        may_work: Callable[[], bool],
    ) -> None:
        """Prepares to start work.

        Args:
          profile: the person's profile.
          models: the keyboard's models.
          learn: starts to learn in the background.
          compare_models: starts to compare models in the background.
          may_work: returns whether the keyboard may start work now, whatever is due.
        """
        self._profile, self._models = profile, models
        self._learn, self._compare_models, self._may_work = learn, compare_models, may_work
        self._begun_at = 0  # id of the newest message when learning last started here
        self._compared_at: tuple[object, ...] | None = None  # the state after which models were last compared
        self._counted: tuple[tuple[int, ...], int, int] | None = None  # state of the store, all words, new words

    def learn_if_due(self, rested: float, charging: bool | None = None, now: datetime | None = None) -> bool:
        """Starts to learn if learning is due (`keyboard_app.learning.schedule`); returns whether it started.

        Args:
          rested: seconds since the last key press.
          charging: whether the machine is charging; None if it has no battery or the system does not say.
          now: the local time.
        """
        now = now or datetime.now()
        if not self._may_work() or rested < REST_SECONDS:
            return False
        if not is_due(self._profile.settings, Moment(now.hour, *self._count_words(), rested, charging)):
            return False
        self._begun_at = self._profile.store.newest_message()
        self._learn()
        return True

    def compare_models_if_due(self, rested: float, charging: bool | None = None) -> bool:
        """Starts to compare models after a learning, or with a new global model; returns whether it started.

        The arguments are those of `learn_if_due`.
        """
        settings, store = self._profile.settings, self._profile.store
        wanted = settings.learn_automatically and settings.consent is True and charging is not False
        if not wanted or not self._may_work() or rested < REST_SECONDS:
            return False
        state = (store.history.last_learning(), store.last_deletion(), self._models.global_model.provenance)
        if state == self._compared_at or not store.history.last_learning():
            return False
        self._compared_at = state
        self._compare_models()
        return True

    def _count_words(self) -> tuple[int, int]:
        """Returns the number of recorded words to learn from, and the number of those that are new since the last learning."""
        store = self._profile.store
        at = (
            store.newest_message(),
            store.last_deletion(),
            store.history.last_learning(),
            len(store.history.changes()),
            self._begun_at,
        )
        if self._counted is None or self._counted[0] != at:
            words = new = 0
            for message in reversed(store.learnable()):
                # Learning skips the oldest of very many words, so they do not count as new.
                counts = message.learning is None and message.id > self._begun_at and words < FineTuning.max_words
                count = len(tokenize(message.text))
                words, new = words + count, new + count * counts
            self._counted = (at, words, new)
        return self._counted[1:]
