"""One person's keyboard with all that stands behind it: what the window shows, and what a script drives without one."""

from pathlib import Path
from typing import Self

from keyboard_app.emoji_catalogue import emoji_for
from keyboard_app.keyboard import Keyboard
from keyboard_app.learning import Learning, relearning
from keyboard_app.models import Models
from keyboard_app.profile import Profile
from keyboard_app.rounds import waiting_task
from keyboard_app.worker import Worker
from model.device.folder import PRETRAINED
from model.device.weights import digest


class Device:
    """A keyboard that types with the models of a profile and records in it what is sent."""

    def __init__(self, profile: Profile, shipped: Path = PRETRAINED) -> None:
        """Loads the models; `shipped` is the model folder to begin with, until a newer global model was taken over.

        Raises:
          DataError: the shipped model is damaged or missing.
        """
        self.profile = profile
        model = profile.load_global(shipped)
        messages = [message.text for message in profile.store.messages()]
        trust = profile.store.ngram_trust(digest(model.weights))
        self.models = Models(model, profile.load_personal(model), messages, trust)
        self.keyboard = Keyboard(
            self.models.suggest, self._record, self.models.correct, emoji_for, wishes=self.models.wishes
        )
        self.worker = Worker()

    @classmethod
    def open(cls, path: Path, shipped: Path = PRETRAINED) -> Self:
        """Opens a profile and its keyboard.

        Raises:
          DataError: another process holds the profile, or the shipped model is damaged or missing.
        """
        profile = Profile.open(path)
        try:
            return cls(profile, shipped)
        except BaseException:
            profile.close()
            raise

    def learn(self) -> None:
        """Begins to learn from all that was sent, in the background.

        Raises:
          DataError: something else is going on there.
        """
        self.worker.start(Learning(self.profile, self.models))

    def resume(self) -> None:
        """Begins to learn again, in the background, where a personal model should be and is not."""
        if (task := relearning(self.profile, self.models)) is not None:
            self.worker.start(task)

    def serve(self) -> None:
        """Begins, in the background, what the desktop waits for; nothing while something else goes on there.

        Raises:
          DataError: an invitation or a release is not what it should be.
        """
        if self.worker.task is None and (task := waiting_task(self.profile, self.models)) is not None:
            self.worker.start(task)

    def close(self) -> None:
        """Ends what goes on in the background and gives the profile free."""
        self.worker.cancel()
        self.profile.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, text: str) -> None:
        # The models have not learned from this message yet, so these are the ranks they gave before each word was typed.
        self.profile.store.add_message(text, self.models.ranks(text))
        self.models.learn(text)
