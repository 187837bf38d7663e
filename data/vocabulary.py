"""The words the model knows, each with its id: the line of `vocabulary.txt` it stands on, counted from zero."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.tokenizer import tokenize

PAD, UNKNOWN, BOUNDARY = range(3)
SPECIALS = (
    "<pad>",
    "<unk>",
    "<s>",
)  # <s> stands before and after each message; reading it, the model forgets the one before


class Vocabulary:
    """An immutable list of words; the ids of the specials are `PAD`, `UNKNOWN` and `BOUNDARY`."""

    def __init__(self, words: Sequence[str]) -> None:
        """Takes all the words in the order of their ids, the specials first.

        Raises:
          DataError: the specials do not come first, a word is repeated or has white space in it.
        """
        if tuple(words[: len(SPECIALS)]) != SPECIALS:
            raise DataError(
                f"a vocabulary starts with {', '.join(SPECIALS)}, this one with {', '.join(words[:3]) or 'nothing'}"
            )
        if len(set(words)) != len(words):
            repeated = next(w for w, n in Counter(words).items() if n > 1)
            raise DataError(f"the vocabulary holds {repeated!r} twice")
        if any(w != "".join(w.split()) or not w for w in words):
            raise DataError("a word of the vocabulary is empty or holds white space")
        self.words = tuple(words)
        self._ids = {word: i for i, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """The id of a lower-cased word, or `UNKNOWN`."""
        return self._ids.get(word, UNKNOWN)

    def encode(self, text: str) -> list[int]:
        """The ids of a message's tokens, without boundaries."""
        return [self.id(token.word) for token in tokenize(text)]

    @property
    def sha256(self) -> str:
        """The digest of the file that `save` writes: what weights name the vocabulary they belong to by."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        return "".join(word + "\n" for word in self.words)

    def save(self, path: Path) -> None:
        """Writes one word a line, UTF-8."""
        write_by_rename(path, self._text().encode())

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises:
          DataError: the file is missing, is not UTF-8 text, or is not a vocabulary.
        """
        try:
            return cls(path.read_text("utf-8").split("\n")[:-1])
        except OSError as error:
            raise DataError(f"cannot read the vocabulary {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: a vocabulary is UTF-8 text") from error
        except UserFacingError as error:
            raise DataError(f"{path}: {error}") from error

    @classmethod
    def build(cls, messages_by_user: Iterable[Iterable[str]], size: int, min_users: int) -> "Vocabulary":
        """Counts words and keeps the `size - 3` most frequent, so that the specials bring it to `size`.

        A word that fewer than `min_users` people wrote stays out however often they wrote it: a vocabulary is published, and
        a rare name in it would tell of whoever wrote it.
        """
        counts: Counter[str] = Counter()
        users: Counter[str] = Counter()
        for messages in messages_by_user:
            own = Counter(token.word for text in messages for token in tokenize(text))
            counts.update(own)
            users.update(own.keys())
        frequent = sorted((w for w in counts if users[w] >= min_users), key=lambda w: (-counts[w], w))
        return cls(SPECIALS + tuple(frequent[: size - len(SPECIALS)]))
