"""The import of the person's own texts from files, to learn from them.

Only what the person certainly wrote is imported: if the file names its authors, they say who they are; if it is plain text, they
look at its beginning and say that it is theirs. Messages that look like secrets are left out.
"""

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from keyboard_app.learning.background import Step
from keyboard_app.learning.models import Models
from keyboard_app.my_data.source import TEXT, Source, count_of_messages
from keyboard_app.recording.database.schema import SealedMessage
from keyboard_app.recording.sensitive import why_sensitive
from keyboard_app.recording.user_profile import Profile

MAX_MESSAGES = 20_000  # only the newest are imported: learning uses no more
MAX_CHARACTERS = 10_000  # of a message: a longer one was not typed
_STEP = 200  # messages between two points at which the task can be stopped


class Importing:
    """The task (`keyboard_app.learning.background`) of importing a file; `imported` and `left_out` count messages once it is done.

    If it is not certain which messages are the person's, nothing is imported: `unclear` then holds the file's content, and `of`
    returns the task for the person's answer.
    """

    def __init__(
        self, profile: Profile, models: Models, path: Path, person: str | None = None, plain: bool = False
    ) -> None:
        """Prepares the task.

        Args:
          profile: the profile to import into.
          models: the models that suggest by the imported messages.
          path: the file.
          person: the author whose messages to import, if the file names authors.
          plain: whether the person says that they wrote all of the file, if it is plain text.
        """
        self.title = f"importing {path.name}"
        self.imported = self.left_out = 0
        self.unclear: Source | None = None
        self._source: Source | None = None
        self._profile = profile
        self._models = models
        self._path = path
        self._person = person
        self._plain = plain
        self._sealed: list[SealedMessage] = []
        self._because: list[str] = []  # how many messages were left out, and why

    def of(self, person: str | None) -> "Importing":
        """Returns the task of importing one author's messages, or all of a plain text, without reading the file again."""
        task = Importing(self._profile, self._models, self._path, person, plain=True)
        task._source = self.unclear
        return task

    def work(self) -> Generator[Step]:
        """Reads the file and encrypts its messages.

        Raises:
          DataError: `read_source` failed, or nobody of that name wrote in the file.
        """
        from keyboard_app.my_data.reading import read_source  # its expressions take a fifth of a second to compile

        yield Step(0, 1)
        source = self._source or read_source(self._path)
        if source.kind == TEXT:
            certain = self._plain or self._person is not None  # a name does not fit: `of` refuses it
        else:
            certain = self._person is not None or source.own is not None
        if not certain:
            self.unclear = source
            return
        everything = source.of(self._person)
        texts = everything[-MAX_MESSAGES:]
        secret = long = 0
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for number, text in enumerate(texts, 1):
            if len(text) > MAX_CHARACTERS:
                long += 1
            elif why_sensitive(text) is not None:
                secret += 1
            else:
                self._sealed.append(self._profile.store.seal_import(text, now))
            if number % _STEP == 0 or number == len(texts):
                yield Step(number, len(texts))
        older, doubtful = len(everything) - len(texts), source.doubtful_of(self._person)
        self.left_out = older + secret + long + doubtful
        self._because = [
            f"{count_of_messages(count)} {reason}"
            for count, reason in (
                (older, f"beyond the newest {MAX_MESSAGES:,}"),
                (secret, "that looks like a secret" if secret == 1 else "that look like secrets"),
                (long, f"with more than {MAX_CHARACTERS:,} characters"),
                (doubtful, "that may hold other people's words"),
            )
            if count
        ]

    def finish(self) -> str:
        """Records all messages in one transaction; suggestions use them from now on, and the next learning trains on them."""
        if self.unclear is not None:
            return self._question(self.unclear)
        self._profile.store.add_imported(self._sealed)
        self.imported = len(self._sealed)
        self._models.use_messages([message.text for message in self._profile.store.learnable()])
        left_out = f" (left out: {', '.join(self._because)})" if self._because else ""
        line = f"imported {count_of_messages(self.imported)}{left_out}"
        if not self.imported:
            return line
        return f"{line}; let the keyboard learn to put {'it' if self.imported == 1 else 'them'} to use"

    def _question(self, source: Source) -> str:
        if source.kind == TEXT:
            return f"{self._path.name} does not say who wrote it: say whether you did"
        if len(source.people) == 1:
            return f"one person wrote in {self._path.name}: say whether that is you"
        return f"several people wrote in {self._path.name}: choose which one you are"
