"""One person's keyboard without its window: the keys, the models, the recording, the learning and the federation."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from data.errors import DataError, UserFacingError
from data.tokenizer import restore_case
from keyboard_app.federating.federation import Federation
from keyboard_app.federating.local_rounds import waiting_task
from keyboard_app.input.emoji_catalogue import emoji_for
from keyboard_app.input.gliding import Gliding
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.layout import USUAL, Layout, layout_files, load_layout
from keyboard_app.learning.automatic import AutomaticLearning
from keyboard_app.learning.background import BackgroundTasks
from keyboard_app.learning.comparison import SuggestionComparison
from keyboard_app.learning.hindsight import ModelComparison
from keyboard_app.learning.insight import Saved
from keyboard_app.learning.learning import Learning, relearning
from keyboard_app.learning.models import Models
from keyboard_app.learning.rising import Rising
from keyboard_app.learning.sent_messages import SentMessages
from keyboard_app.learning.touches import Tap, Touches
from keyboard_app.my_data.importing import Importing
from keyboard_app.my_data.my_data import MyData
from keyboard_app.my_data.retention import Retention
from keyboard_app.recording.database.records import FORGOTTEN, INSISTED, Day
from keyboard_app.recording.recent_emoji import RecentEmoji
from keyboard_app.recording.sensitive import why_sensitive
from keyboard_app.recording.user_profile import Profile
from model.device.folder import PRETRAINED, PUBLIC
from model.device.gliding.geometry import Box
from model.device.gliding.gesture import Gesture
from model.device.weights import digest


class Sent(NamedTuple):
    """The outcome of sending a message: the id of its record, or the reason, for the person, why it was not recorded."""

    id: int | None
    why_not: str = ""


class Device:
    """A keyboard that types with the models of a profile and, if the person has agreed, records what they send there.

    While `private` is set, nothing is recorded, learned or counted. `sent` is the outcome of the last message.
    """

    def __init__(self, profile: Profile, shipped: Path = PRETRAINED, consenting: bool = False) -> None:
        """Loads the models.

        Args:
          profile: the person's profile.
          shipped: the model folder to use until the profile has adopted a newer global model.
          consenting: whether to record regardless of the settings: running a script implies consent.

        Raises:
          DataError: the shipped model is damaged or missing.
        """
        self.profile = profile
        self.private = False
        self.sent: Sent | None = None
        self.public = PUBLIC  # the folder of the public model, which may be missing
        self._consenting = consenting
        self._retention = Retention(profile)
        model = profile.load_global(shipped)
        try:
            self._retention.delete_old()
        except UserFacingError as error:  # a full disk must not prevent typing
            profile.notices.append(f"old messages could not be deleted: {error}")
        messages = [message.text for message in profile.store.learnable()]
        trust = profile.store.history.ngram_trust(digest(model.weights))
        self.models = Models(model, profile.load_personal(model), messages, trust)
        if profile.store.unreadable:
            damaged = profile.store.unreadable
            which = "message is damaged and was" if damaged == 1 else "messages are damaged and were"
            profile.notices.append(f"{damaged:,} recorded {which} skipped")
        self.recent_emoji = RecentEmoji(profile.store, lambda: self.records)
        self.touches = Touches(profile.load_hand(), profile.save_hand)
        self.keyboard = Keyboard(
            self._suggest,
            self._record,
            self._correct,
            lambda word: emoji_for(word, self.recent_emoji.signs),
            word_preferences=self.models.word_preferences,
            continue_word=self.models.continuing,
        )
        self.gliding = Gliding(self.models, self.touches)
        self._sent_messages = SentMessages(profile.store, self.models)
        self.background = BackgroundTasks()
        self.my_data = MyData(profile, self.models, self.touches, self.recent_emoji)
        self.federation = Federation(profile, self.models)
        self.comparison = SuggestionComparison(self.models, shipped)
        self.automatic = AutomaticLearning(profile, self.models, self.learn, self.compare_models, self._may_work)
        self._follow_word_preferences()
        _ = self.recent_emoji.signs  # reads them now, so that the first key does not have to
        self._apply_settings()

    @classmethod
    def open(cls, path: Path, shipped: Path = PRETRAINED, consenting: bool = False, use_keyring: bool = True) -> Self:
        """Opens a profile and its keyboard; the arguments are those of `Profile.open` and of this class.

        Raises:
          DataError: another process holds the profile, its key is not available, or the shipped model is damaged or missing.
        """
        profile = Profile.open(path, use_keyring)
        try:
            return cls(profile, shipped, consenting)
        except BaseException:
            profile.close()
            raise

    @property
    def records(self) -> bool:
        """Whether a message sent now is recorded, unless it looks like a secret."""
        return not self.private and (self._consenting or self.profile.settings.consent is True)

    @property
    def layout(self) -> Layout:
        """The chosen layout, or QWERTY if its file is missing or is not a layout; with a row of digits if the person wants one."""
        files, settings = self._layout_files(), self.profile.settings
        try:
            layout = load_layout(files[settings.layout])
        except (KeyError, UserFacingError):
            layout = load_layout(files[USUAL])
        return layout.with_number_row() if settings.number_row else layout

    def layout_names(self) -> dict[str, str]:
        """Returns the layouts' own names by file name; the person's own layouts are in `layouts/` of the profile."""
        names = {}
        for name, path in self._layout_files().items():
            with suppress(UserFacingError):
                names[name] = load_layout(path).name
        return names

    def _layout_files(self) -> dict[str, Path]:
        return layout_files(self.profile.path / "layouts")

    def read_ahead(self) -> None:
        """Runs the networks over the word at the cursor between two key presses, so that ending the word takes less time."""
        self.models.read_ahead(self.keyboard.ahead)

    def glide(self, gesture: Gesture) -> bool:
        """Types the word that a glide most probably means; returns whether there is one."""
        keyboard = self.keyboard
        words = self.gliding.words(gesture, keyboard.ahead, keyboard.glide_candidates)
        return keyboard.glide(words, self.touches.glide(gesture))

    def foresee(self, letter: str, tap: Tap | None) -> list[str]:
        """Works out what the keyboard will suggest once a tap has typed a letter, so that typing it takes less time.

        Returns words that will probably be shown: the best one first, and the word as typed last; none within a word.
        """
        keyboard = self.keyboard
        context, prefix = keyboard.begun_by(letter)
        if not prefix:
            return []
        touches = [*(keyboard.touch_costs(prefix[:-1]) or [None] * (len(prefix) - 1)), tap.costs if tap else None]
        known = touches if any(touches) else None
        words = self.models.suggest(context, prefix, known)
        if keyboard.autocorrects and (correction := self.models.correct(context, prefix, known)) is not None:
            words = [correction, *(word for word in words if word != correction)]
        return [*(restore_case(word, prefix) for word in words), prefix]

    def foresee_glide(self, gesture: Gesture) -> Generator[None, None, None]:
        """Works out, in steps, which word a glide means if the finger is lifted now."""
        yield from self.gliding.foresee(gesture, self.keyboard.ahead, self.keyboard.glide_candidates)

    def use_keys(self, boxes: Mapping[str, Box]) -> None:
        """Expects taps and glides on these keys of letters from now on (`Touches.use_keys`)."""
        self.touches.use_keys(boxes)
        if self.profile.settings.glide:
            self.gliding.use_keys(boxes)

    def catch_up(self, steps: int | None = None) -> bool:
        """Does what is left to do for messages that were sent, at most some steps of a millisecond or two each.

        Returns whether anything is left.
        """
        if self._sent_messages.proceed(steps) or self.touches.proceed(everything=steps is None):
            return True
        self.gliding.follow_hand()
        return False

    def choose(self, **choices: Any) -> None:
        """Changes settings (`keyboard_app.recording.settings.UserSettings`) by name and saves them.

        Raises:
          DataError: a value is not allowed, or the settings cannot be written.
        """
        self.profile.choose(**choices)
        self._apply_settings()
        if not (self.profile.settings.take_part and self.profile.settings.consent is True):
            self.federation.leave_round()
        if "keep_days" in choices:
            self._retention.renew()
            self._attend_to_age()

    def learn(self) -> None:
        """Starts to learn from all recorded messages in the background.

        Raises:
          DataError: another task is running.
        """
        self.background.start(Learning(self.profile, self.models))

    def relearn(self) -> None:
        """Starts to learn again from the remaining messages, so that the personal network keeps no trace of deleted ones.

        Raises:
          DataError: another task is running.
        """
        self.background.start(Learning(self.profile, self.models, over_again=True))

    def roll_back(self) -> str:
        """Restores the previous personal network, or the global one if there is none; returns a line for the person.

        Raises:
          DataError: the global network is in use, or a task is running.
        """
        self._check_idle()
        if not self.models.personalized:
            raise DataError("there is nothing to undo: your keyboard has no model of its own in use")
        previous = self.profile.restore_previous(self.models.global_model)
        if previous is None:
            self.models.forget_personal()
        else:
            self.models.use_personal(previous.weights, previous.seen)
        self.profile.store.history.add_change("rolled back", self.models.personalized)
        self.models.ngram_trust = self.profile.store.history.ngram_trust(digest(self.models.global_model.weights))
        return f"{'your previous model' if previous else 'the shared model'} is in use again"

    def reset(self) -> str:
        """Deletes everything that was learned; returns a line for the person.

        Recorded messages stay, but are not learned from again.

        Raises:
          DataError: a task is running.
        """
        self._check_idle()
        self.profile.store.history.add_change("reset", False)
        self.profile.drop_personal()
        self.models.forget_personal()
        self.models.use_messages([])
        self.touches.forget()
        self.profile.drop_hand()
        self.models.ngram_trust = self.profile.store.history.ngram_trust(digest(self.models.global_model.weights))
        return "everything that was learned is forgotten: the shared model is in use"

    def import_texts(self, path: Path, person: str | None = None) -> Importing:
        """Starts to import a file in the background; returns the task, which ends `unclear` if the person has to be asked.

        Raises:
          DataError: another task is running.
        """
        task = Importing(self.profile, self.models, path, person)
        self.background.start(task)
        return task

    def import_of(self, person: str | None, unclear: Importing) -> None:
        """Starts to import one person's messages, or the plain text that the person wrote, from the file of an `unclear` task.

        Raises:
          DataError: another task is running.
        """
        self.background.start(unclear.of(person))

    def take_part_if_due(
        self,
        rested: Callable[[], float],
        charging: bool | None = None,
        now: float | None = None,
        since_typing: Callable[[], float] | None = None,
    ) -> None:
        """Starts to ask the federation for a round if that is due; the arguments are those of `Federation.take_part_if_due`."""
        settings = self.profile.settings
        if settings.take_part and settings.consent is True and not self.private and self.background.task is None:
            now = time.monotonic() if now is None else now
            self.federation.take_part_if_due(rested, charging, now, since_typing)

    def look_back(self) -> Rising:
        """Starts to find in the background which words and phrases became more likely; returns the task, which holds the result.

        Raises:
          DataError: another task is running.
        """
        task = Rising(self.profile, self.models)
        self.background.start(task)
        return task

    def compare_models(self) -> None:
        """Starts to work out in the background what other models would have offered (`keyboard_app.learning.hindsight`).

        Raises:
          DataError: another task is running.
        """
        self.background.start(ModelComparison(self.profile, self.models, self.public))

    def saved(self) -> Saved:
        """Returns the keystrokes that suggestions saved, today and ever."""
        return Saved.of(self.profile.store.days(), datetime.now().date())

    def compare(self, context: str, prefix: str = "") -> dict[str, list[str]]:
        """Returns the suggestions of the `shipped`, the `personal` and the newest `global` model for the same moment."""
        return self.comparison.suggest(context, prefix)

    def resume(self) -> None:
        """Starts to learn again in the background if the personal network is missing."""
        if (task := relearning(self.profile, self.models)) is not None:
            self.background.start(task)

    def serve(self) -> None:
        """Performs the work that is due at regular intervals.

        Deletes messages that are too old. Unless a task is running, starts to tell the coordinator that the keyboard leaves, or
        starts the task that a desktop on this machine waits for.

        Raises:
          DataError: an invitation or a release is invalid.
        """
        self._attend_to_age()
        self.federation.attend()
        if self.background.task is None and (task := waiting_task(self.profile, self.models)) is not None:
            self.background.start(task)

    def close(self) -> None:
        """Ends the background task and releases the profile."""
        self._sent_messages.close()
        self.touches.close()
        self.federation.close()
        self.background.cancel()
        self.profile.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _apply_settings(self) -> None:
        settings = self.profile.settings
        self.keyboard.autocorrects = settings.autocorrect
        self.keyboard.capitalizes = settings.automatic_capitals
        self.models.word_preferences.offensive = settings.offensive_words
        self.models.use_neighbours(self.layout.neighbours)

    def _follow_word_preferences(self) -> None:
        """Loads the words that the person has marked, and saves each word that they mark from now on."""
        store, word_preferences, choices = self.profile.store, self.models.word_preferences, self.keyboard.choices
        word_preferences.forgotten |= set(store.words.marked(FORGOTTEN))
        word_preferences.insisted |= set(store.words.marked(INSISTED))
        choices.on_forget = lambda word: self._mark(FORGOTTEN, word)
        choices.on_remember = lambda word: self._unmark(FORGOTTEN, word)
        choices.on_insist = lambda word: self._mark(INSISTED, word)

    def _mark(self, kind: str, word: str) -> None:
        if self.records:
            with suppress(UserFacingError):  # a full disk must not fail a key press
                self.profile.store.words.mark(kind, word)

    def _unmark(self, kind: str, word: str) -> None:
        with suppress(UserFacingError):  # as in _mark
            self.profile.store.words.unmark(kind, word)

    def _suggest(self, context: str, prefix: str) -> list[str]:
        return self.models.suggest(context, prefix, self.keyboard.touch_costs(prefix) if prefix else None)

    def _correct(self, context: str, word: str) -> str | None:
        return self.models.correct(context, word, self.keyboard.touch_costs(word))

    def _record(self, text: str) -> None:
        if (why_not := self._why_not(text)) is None:
            typed = Day(_today(), self.keyboard.message_keystrokes, len(" ".join(text.split())))
            message = self.profile.store.add_message(text, [], typed)
            self.sent = Sent(message)
            self._sent_messages.add(message, text)
            field = self.keyboard.field
            self.touches.accept(field.touched.meant(field.text))
        else:
            self.sent = Sent(None, why_not)

    def _why_not(self, text: str) -> str | None:
        if self.private:
            return "not recorded: private mode is on"
        if not self.records:
            return "not recorded: you have not agreed to recording"
        looks_like = why_sensitive(text)
        return None if looks_like is None else f"not recorded: it looks like {looks_like}"

    def _may_work(self) -> bool:
        """Whether the keyboard may start to learn by itself: during a round, the device's time belongs to the round."""
        return not self.private and self.background.task is None and self.federation.round_going_on is None

    def _check_idle(self) -> None:
        if self.background.task is not None:
            raise DataError(f"{self.background.task.title} is still running: wait until it is done, or stop it")

    def _attend_to_age(self) -> None:
        """Deletes, at most once a day, the messages that are older than the person wants to keep."""
        deleted = True
        try:
            deleted = self._retention.delete_old() > 0
        finally:  # an error may mean that messages were deleted, and the file could not be rewritten
            if deleted:
                self.my_data.suggest_by_what_is_left()


def _today() -> str:
    return datetime.now().date().isoformat()  # days are local to the person
