"""The case in which a suggested or finished word is written: the person's own, or the usual one."""

from data.tokenizer import normalize
from data.vocabulary import UNKNOWN, Vocabulary
from model.device.suggesting.lexicon import Lexicon
from model.device.suggesting.personal import PersonalNgram


class Casing:
    """Chooses between the case that a person gives a word (`written_case`) and its usual case in the lexicon."""

    def __init__(self, vocabulary: Vocabulary, lexicon: Lexicon | None, personal: PersonalNgram | None) -> None:
        self._vocabulary, self._lexicon, self._personal = vocabulary, lexicon, personal

    def written(self, word: str) -> str:
        """Returns a lower-case word in the case in which the person writes it, or in its usual case."""
        return self._own_case(word) or self._usual_case(word)

    def recased(self, word: str) -> str | None:
        """Returns a finished word in its own or usual case, or None to keep it as typed.

        Only lower-case letters and a capital first letter, which may be automatic, are changed. The usual case of abbreviations is
        never forced, because many people write "tv".
        """
        typed = normalize(word)
        if word[1:] != word[1:].lower():
            return None
        written = self._own_case(typed)
        if written is None:
            usual = self._usual_case(typed)
            written = typed if len(usual) > 1 and usual.isupper() else usual
        return written if written not in (typed, word) else None

    def _own_case(self, word: str) -> str | None:
        return None if self._personal is None else self._personal.case.form(word)

    def _usual_case(self, word: str) -> str:
        known = self._vocabulary.id(word)
        if self._lexicon is None:
            return word
        usual = self._lexicon.usual_case(word, None if known == UNKNOWN else known)
        if known == UNKNOWN and usual == word and self._personal is not None and not self._lexicon.knows(word):
            return self._personal.case.form_at_starts(word) or word
        return usual
