"""The words that the model knows. The id of a word is its line number in `vocabulary.txt`, counted from zero."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.tokenizer import tokenize

PAD, UNKNOWN, BOUNDARY = range(3)
# <s> stands before and after each message and resets the state of the model.
SPECIALS = ("<pad>", "<unk>", "<s>")
_LONGEST = 64  # characters of a word that somebody else's vocabulary may have


class Vocabulary:
    """An immutable list of words; the ids of the specials are `PAD`, `UNKNOWN` and `BOUNDARY`."""

    def __init__(self, words: Sequence[str]) -> None:
        """Creates a vocabulary from all words in the order of their ids, the specials first.

        Raises:
          DataError: the specials do not come first, or a word is repeated, empty, or contains white space.
        """
        if tuple(words[: len(SPECIALS)]) != SPECIALS:
            raise DataError(
                f"a vocabulary starts with {', '.join(SPECIALS)}, but this one starts with {', '.join(words[:3]) or 'nothing'}"
            )
        if len(set(words)) != len(words):
            repeated = next(w for w, n in Counter(words).items() if n > 1)
            raise DataError(f"the vocabulary contains {repeated!r} twice")
        if any(w != "".join(w.split()) or not w for w in words):
            raise DataError("a word of the vocabulary is empty or contains white space")
        self.words = tuple(words)
        self._ids = {word: i for i, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """Returns the id of a lower-case word, or `UNKNOWN`."""
        return self._ids.get(word, UNKNOWN)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a message's tokens, without boundaries."""
        return [self.id(token.word) for token in tokenize(text)]

    def check_words(self) -> None:
        """Checks a vocabulary of unknown origin: each word must be one that a person's typing can become.

        Raises:
          DataError: the tokenizer never returns a word of the vocabulary, or a word is too long.
        """
        for word in self.words[len(SPECIALS) :]:
            if len(word) > _LONGEST or [token.word for token in tokenize(word)] != [word]:
                raise DataError(f"{word[:_LONGEST]!a} is not a word that anybody can type: the vocabulary is refused")

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file that `save` writes. A weights file names its vocabulary by this digest."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        return "".join(word + "\n" for word in self.words)

    def save(self, path: Path) -> None:
        """Writes one word per line, UTF-8, by rename."""
        write_by_rename(path, self._text().encode())

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads a file that `save` wrote.

        Raises:
          DataError: the file is missing, is not UTF-8 text, or is not a vocabulary.
        """
        try:
            return cls(path.read_text("utf-8").split("\n")[:-1])
        except OSError as error:
            raise DataError(f"cannot read the vocabulary {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text, as a vocabulary has to be") from error
        except UserFacingError as error:
            raise DataError(f"{path}: {error}") from error

    @classmethod
    def build(cls, messages_by_user: Iterable[Iterable[str]], size: int, min_users: int) -> "Vocabulary":
        """Builds a vocabulary of at most `size` entries: the specials and the `size - 3` most frequent words.

        Words that fewer than `min_users` people wrote are left out, however frequent: a vocabulary is published, and a rare name
        in it could identify the person who wrote it.
        """
        counts: Counter[str] = Counter()
        users: Counter[str] = Counter()
        for messages in messages_by_user:
            own = Counter(token.word for text in messages for token in tokenize(text))
            counts.update(own)
            users.update(own.keys())
        frequent = sorted((w for w in counts if users[w] >= min_users), key=lambda w: (-counts[w], w))
        return cls(SPECIALS + tuple(frequent[: size - len(SPECIALS)]))
