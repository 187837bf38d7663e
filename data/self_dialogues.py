"""The Self-dialogue Corpus: public chat about films, music and sport, read from a clone of its repository.

Fainberg et al. 2018, "Talking to myself: self-dialogues as data for conversational agents" (arXiv 1809.06641), BSD 3-Clause. Each
of 2,522 people invented both sides of their conversations. `git clone` the repository `jfainberg/self_dialogue_corpus`.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from data.errors import DataError
from data.ordering import by_digest, digest

_SENTENCE = "Answer.sentence"  # columns Answer.sentence1, Answer.sentence2, …
_EMPTY = ("", "{}")  # the second is how the crowdsourcing site wrote some empty answers


class SelfDialogues:
    """The messages of the corpus by person, oldest first: 373,008 messages of 2,522 people.

    The people whom `blocked_workers.txt` lists, who did not do what they were asked to, are left out. Ids are digests of the ids
    in the files.
    """

    def __init__(self, folder: Path) -> None:
        """Reads the CSV files of the folder's `corpus/`, in the order of their paths.

        Raises:
          DataError: the folder is not a clone of the corpus, or a file in it is damaged.
        """
        files = sorted((folder / "corpus").glob("*/*.csv"))
        if not files:
            raise DataError(
                f"{folder} holds no Self-dialogue Corpus: give the folder of a clone of jfainberg/self_dialogue_corpus, "
                "which has a folder `corpus`"
            )
        self._by_user: dict[str, list[str]] = {}
        try:
            blocked = set((folder / "blocked_workers.txt").read_text("utf-8").split())
            for path in files:
                self._read(path, blocked)
        except (OSError, ValueError, csv.Error, KeyError) as error:
            raise DataError(f"{folder}: the corpus is damaged ({error}): clone it again") from error
        self._by_user = by_digest(self._by_user)

    def _read(self, path: Path, blocked: set[str]) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            columns = [name for name in rows.fieldnames or () if name.startswith(_SENTENCE)]
            columns.sort(key=lambda name: int(name.removeprefix(_SENTENCE)))
            for row in rows:
                worker = row["WorkerId"]
                if worker is None:
                    raise ValueError(f"{path.name}:{rows.line_num}: the row is too short")
                if worker in blocked:
                    continue
                user = digest(worker)[:16]
                texts = (" ".join((row[name] or "").split()) for name in columns)
                self._by_user.setdefault(user, []).extend(text for text in texts if text not in _EMPTY)

    def users(self) -> list[str]:
        """Returns all users, ordered by the SHA-256 of their ids."""
        return list(self._by_user)

    def messages(self, user: str) -> Iterator[str]:
        """Yields the texts of one user, oldest first."""
        return iter(self._by_user[user])
