"""What the lexicon says about new words: whether they are words or typos, and their usual case.

Found words arrive in lower case, with the number of devices that offered them, and nothing else. The rules are those of
`federation.lexicon`, with this evidence:

- a dictionary and public frequencies, as for the words before;
- in place of the uses by a corpus's people, the number of devices that offered a new word. Other words are expected as often as
  public text has them. So "byu", from 216 of 1,044 devices, is meant, but "becuase", from 17, is a typo of "because";
- the owner's word that something is no typo, which holds whatever the rest says;
- no letters as people wrote them. The usual case is that of the dictionary, or capitalized if the lexicon before knows the word as
  a name. Abbreviations stay in lower case, as most people type them ("btw").
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from data.vocabulary import Vocabulary
from federation.growing.chosen_words import LEAST_DEVICES
from federation.growing.counts_files import Counted
from federation.lexicon import Evidence, WrittenForms
from model.device.suggesting.lexicon import Lexicon, capitals_of

# Words that a device has recorded: ChitChat's people wrote 1,734 on average. Only its order of magnitude matters.
_WORDS_PER_DEVICE = 2_000
_SHORT_NAME = 3  # letters; capitals of shorter words are those of rare names and symbols ("Ge", "Ur")


class GrownLexicon:
    """Judges new words, and makes the lexicon of the larger vocabulary."""

    def __init__(
        self,
        lexicon: Lexicon,
        vocabulary: Vocabulary,
        found: Sequence[Counted],
        devices: int,
        zipf: dict[str, float],
        forms: Callable[[str], Sequence[str]],
    ) -> None:
        """Weighs found words against each other and against the vocabulary.

        Args:
          lexicon: that of the vocabulary.
          vocabulary: the vocabulary before it grows.
          found: words that may join it.
          devices: the number of devices that took part in finding them.
          zipf: frequency of lower-case words in public text, on the Zipf scale.
          forms: returns the dictionary's forms of a lower-case word.
        """
        self._lexicon, self._forms = lexicon, forms
        new = [word for word in found if word.text[:1].isalpha() and word.text not in vocabulary]
        self._no_typos = frozenset(word.text for word in new if word.no_typo)
        everything = Vocabulary([*vocabulary.words, *(w.text for w in new if w.text.split() == [w.text])])
        total = devices * _WORDS_PER_DEVICE
        expected = {word: round(total * 10 ** (zipf[word] - 9)) for word in vocabulary.words if word in zipf}
        uses = Counter(expected | {word.text: word.devices for word in new})
        self._evidence = Evidence(everything, zipf, forms, WrittenForms(uses), LEAST_DEVICES)

    def is_typo(self, word: Counted) -> bool:
        """Returns whether a found word is probably a typo of another word."""
        return self._evidence.protection(word.text)[0] == -np.inf

    def _protection(self, word: str) -> tuple[float, float]:
        """Returns the protections of a new word, as the lexicon has them; a word that is no typo has some in any case."""
        protection, apostrophe = self._evidence.protection(word)
        if word in self._no_typos:
            return max(protection, 0.0), max(apostrophe, 0.0)
        return protection, apostrophe

    def usual_case(self, word: str) -> str:
        """Returns a new word in its usual case."""
        case = self._evidence.usual_case(word)
        if case.isupper() or (case[1:] == word[1:] and len(word) <= _SHORT_NAME):
            case = word
        return self._lexicon.usual_case(word, None) if case == word else case

    def lexicon_of(self, vocabulary: Vocabulary) -> Lexicon:
        """Returns the lexicon of the larger vocabulary, which has entries of the found words after those of before."""
        before, new = self._lexicon, vocabulary.words[len(self._lexicon.protection) :]
        protections = np.array([self._protection(word) for word in new], np.float16).reshape(-1, 2)
        capitals = np.array([capitals_of(self.usual_case(word)) for word in new], np.uint32)
        return replace(
            before,
            vocabulary_sha256=vocabulary.sha256,
            protection=np.concatenate([before.protection, protections[:, 0]]),
            apostrophe=np.concatenate([before.apostrophe, protections[:, 1]]),
            capitals=np.concatenate([before.capitals, capitals]),
        )
