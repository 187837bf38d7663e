"""Makes the lexicon of a vocabulary: which entries are words, and their usual case (`model.device.suggesting.lexicon`).

1. A dictionary, the English Hunspell dictionary of the package `spylls`, says which spellings are certainly words.
2. Frequencies in public text, from the package `wordfreq`, say how likely an entry is a typo of another word. The log-odds that a
   person meant the letters t are at least log f(t) - log f(w) + c for each word w that typing errors of cost c turn into t
   (`model.device.suggesting.corrections`). An entry outside the dictionary has to be far likelier than any typo, because people
   misspell long words more often than they mistype them. The uses by training users of a corpus also count: they mean "yall".
3. The usual case is that of the dictionary. If the dictionary has several forms or none, most training users decide.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.corpus import Corpus
from data.errors import DataError
from data.tokenizer import PUNCTUATION, tokenize
from data.vocabulary import SPECIALS, Vocabulary
from federation.reports.progress import progress_bar
from model.device.suggesting.corrections import Corrections, ErrorCosts
from model.device.suggesting.lexicon import MOST_PROTECTION, Lexicon, capitals_of, make_filter

SOURCES = (
    "Frequencies: wordfreq 3 by Robyn Speer (CC BY-SA 4.0), doi:10.5281/zenodo.7199437. "
    "Words and their case: the English Hunspell dictionary from SCOWL, copyright 2000-2018 by Kevin Atkinson. "
    "Words and case in chat: the ChitChat dataset (MIT), training users alone."
)
LICENSE = "CC-BY-SA-4.0"

_ZIPF = math.log(10)  # nats per unit of the Zipf scale, log10 of occurrences in 10^9 words
_LEAST_ZIPF = 1.0  # the frequency of words that are rarer or missing
_FURTHER_ZIPF = 2.2  # least frequency of dictionary words that the vocabulary lacks
_FURTHER_SLANG_ZIPF = 3.0  # least frequency of other words that the vocabulary lacks

# Protection of a word beyond its log-odds, in nats: breaking a correct word is worse than missing a typo.
_MARGIN = 3.5
# Below these log-odds, the letters of a contraction without its apostrophe (cant, wont) do not count as a word.
_CONTRACTION = -1.0
# Additional nats that an entry outside the dictionary needs for each letter beyond the first three.
_LETTER = 0.5
_FREE_LETTERS = 3
_LONG = 8  # letters; a misspelt word of at least this length may contain two errors
_SECOND_ERROR = 0.36  # share of its usual cost: a person who cannot spell a word makes more than one error in it
_ABBREVIATION_ZIPF = 3.5  # from here on, a short word without some of its vowels is meant, and no typo
_SHORT_SLANG_ZIPF = 3.75  # least frequency of slang that looks like a short name ("ur")
_SHORT_NAME = 3  # letters; up to this length only lower-case dictionary words count as further words
_SHORT = 4  # letters; up to this length a wrong word is a typo rather than a misspelling
_ERROR = 5.5  # nats
_MISSPELLING = ErrorCosts(vowel=_ERROR, other=_ERROR, missing=_ERROR, extra=_ERROR, extra_neighbour=_ERROR)

_LEAST_USES = 10  # uses in the middle of sentences before the case of a word counts
_SLANG_USES = 5  # the same for words outside the dictionary
# Least share of capitalized uses that makes capitals the usual case, by whether the lower-case form is a word too.
_CAPITALIZED = {True: 0.92, False: 0.5}
_NEVER_CAPITALIZED = 0.15  # below this share of capitalized uses, the capitals of the dictionary are not the usual case

_VOWELS = re.compile(r"[aeiou]")  # what abbreviations leave out
_LENGTHENED = re.compile(r"(.)\1\1")  # "soooo" is intended


@dataclass(frozen=True)
class WrittenForms:
    """The number of uses of each word by training users, and its forms in the middle of sentences."""

    uses: Counter[str] = field(default_factory=Counter)
    forms: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, corpus: Corpus) -> "WrittenForms":
        """Counts the messages of all users of a corpus, which are training users (`data.corpus.Part`)."""
        written = cls()
        for user in corpus.users():
            for text in corpus.messages(user):
                written._count(text)
        return written

    def _count(self, text: str) -> None:
        shouted, before = text.upper() == text, "."
        for token in tokenize(text):
            self.uses[token.word] += 1
            if not shouted and before not in PUNCTUATION and text[token.start - 1] == " ":
                self.forms[token.word][token.text.replace("’", "'")] += 1
            before = token.text


class EnglishDictionary:
    """The forms of words in a dictionary."""

    def __init__(self) -> None:
        """Reads the dictionary, which takes some seconds.

        Raises:
          DataError: the package `spylls` is not installed.
        """
        try:
            import spylls.hunspell as hunspell
        except ImportError as error:
            raise DataError("the dictionary is not installed: run `uv sync --group federation`") from error
        folder = Path(str(hunspell.__file__)).parent / "data" / "en" / "en_US"
        self._dictionary = hunspell.Dictionary.from_files(str(folder))
        self._mixed: dict[str, list[str]] = {}
        self._capitalized: set[str] = set()  # in lower case: words that the dictionary has an entry for with a capital
        for word in self._dictionary.dic.words:
            if word.stem[1:] != word.stem[1:].lower():
                self._mixed.setdefault(word.stem.lower(), []).append(word.stem)
            elif word.stem != word.stem.lower():
                self._capitalized.add(word.stem.lower())

    def forms(self, word: str) -> list[str]:
        """Returns the forms of a lower-case word: itself, capitalized, or with other capitals ("McKinley", "TV")."""
        capitalized = word[:1].upper() + word[1:]
        if self._dictionary.lookup(word):
            # Hunspell accepts the capitalized form of every lower-case word: only an entry of its own says something.
            return [word, *([capitalized] if word in self._capitalized else []), *self._mixed.get(word, [])]
        return [*([capitalized] if self._dictionary.lookup(capitalized) else []), *self._mixed.get(word, [])]


def word_frequencies() -> dict[str, float]:
    """Returns the frequency of words in public text on the Zipf scale.

    Raises:
      DataError: the package `wordfreq` is not installed.
    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        raise DataError("word frequencies are not installed: run `uv sync --group federation`") from error
    return {word: math.log10(frequency) + 9 for word, frequency in get_frequency_dict("en").items()}


def make_lexicon(
    vocabulary: Vocabulary,
    zipf: dict[str, float],
    forms: Callable[[str], Sequence[str]],
    written: WrittenForms,
) -> Lexicon:
    """Returns the lexicon of a vocabulary.

    Args:
      vocabulary: the vocabulary that the lexicon describes.
      zipf: frequency of lower-case words in public text, on the Zipf scale.
      forms: returns the dictionary's forms of a lower-case word.
      written: uses and forms of words by training users.
    """
    evidence = Evidence(vocabulary, zipf, forms, written)
    size = len(vocabulary)
    protection = np.full((size, 2), MOST_PROTECTION, np.float16)
    capitals = np.zeros(size, np.uint32)
    with progress_bar("weighing words", size) as bar:
        for number, (word, known) in enumerate(evidence.by_use()):
            protection[known] = evidence.protection(word)
            capitals[known] = capitals_of(evidence.usual_case(word))
            bar(number + 1, word)
    further = [word for word in evidence.further() if word not in vocabulary]
    names = [word for word in further if evidence.usual_case(word) == word[:1].upper() + word[1:] != word]
    names = [word for word in names if len(word) > _SHORT_NAME]  # a shorter one is slang
    against_others, against_apostrophe = np.ascontiguousarray(protection.T)
    filters = make_filter(further), make_filter(names)
    return Lexicon(vocabulary.sha256, against_others, against_apostrophe, capitals, *filters, SOURCES, LICENSE)


class Evidence:
    """The evidence for and against each word. The uses of slang count from `least_uses` on."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        zipf: dict[str, float],
        forms: Callable[[str], Sequence[str]],
        written: WrittenForms,
        least_uses: int = _SLANG_USES,
    ) -> None:
        self._zipf, self._forms, self._written, self._least_uses = zipf, forms, written, least_uses
        self._ids = {w: i for i, w in enumerate(vocabulary.words) if i >= len(SPECIALS) and w[0].isalpha()}
        self._listed = {word: list(forms(word)) for word in self._ids}
        self._words = [word for word in self._ids if self._listed[word]]  # words that a typo may stand for
        self._slips, self._misspellings = Corrections(self._words), Corrections(self._words, costs=_MISSPELLING)
        self._public = np.array([self._log_frequency(word) for word in self._words])
        self._chat = np.array([self._log_uses(word) for word in self._words])
        self._places = {word: place for place, word in enumerate(self._words)}
        self._skeletons: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self._words):
            self._skeletons[_VOWELS.sub("", word)].append(place)
        self._contractions = {w.replace("'", ""): place for place, w in enumerate(self._words) if "'" in w}

    def by_use(self) -> Iterable[tuple[str, int]]:
        """Returns the words of the vocabulary and their ids, the most used first."""
        return sorted(self._ids.items(), key=lambda item: -self._written.uses[item[0]])

    def protection(self, word: str) -> tuple[float, float]:
        """Returns the protection of a word of the vocabulary against others, and against its letters with an apostrophe.

        Both are in nats, and -inf for an entry that is not a word.
        """
        if not self._listed[word]:
            unlisted = self._protection_of_unlisted(word)
            return unlisted, unlisted
        odds = self._log_frequency(word) - self._public + self._slips.costs(word, ended=True)
        apostrophe = np.inf
        if (place := self._contractions.get(word)) is not None:
            apostrophe, odds[place] = odds[place], np.inf
        if apostrophe < _CONTRACTION:
            return -math.inf, -math.inf
        odds[self._places[word]] = np.inf
        protection = min(max(float(odds.min()) + _MARGIN, 0.0), MOST_PROTECTION)
        # The model was trained on words with forgotten apostrophes as if the shorter word were intended.
        return protection, min(float(apostrophe) + min(self._log_share_meant(word), 0.0), protection)

    def _log_share_meant(self, word: str) -> float:
        """Returns the log ratio of the uses expected from public text to the uses in chat."""
        expected = self._log_frequency(word) - 9 * _ZIPF + math.log(self._written.uses.total() + 1)
        return expected - self._log_uses(word)

    def _protection_of_unlisted(self, word: str) -> float:
        if _LENGTHENED.search(word):
            return MOST_PROTECTION
        errors = self._slips if len(word) <= _SHORT else self._misspellings
        costs = errors.costs(word, ended=True)
        contractions = list(self._contractions.values())  # people do not misspell a letter as an apostrophe
        costs[contractions] = self._slips.costs(word, np.array(contractions, np.intp), ended=True)
        second = _ERROR + _SECOND_ERROR * (costs - _ERROR) if len(word) >= _LONG else np.inf
        costs = np.where(costs > _ERROR, second, costs)
        if self._zipf.get(word, 0.0) >= _ABBREVIATION_ZIPF:
            costs[self._abbreviated_by(word)] = np.inf
        # Plurals, possessives and a dropped g are intended.
        for meant in {word.removesuffix("s"), word.removesuffix("'s"), word + "g"} & self._places.keys():
            costs[self._places[meant]] = np.inf
        near = costs < np.inf
        public = _least((self._log_frequency(word) - self._public + costs)[near])
        public -= _LETTER * max(len(word) - _FREE_LETTERS, 0)
        chat = -math.inf
        if self._written.uses[word] >= self._least_uses:
            chat = _least((self._log_uses(word) - self._chat)[near])
        odds = max(public, chat, 0.0 if self._is_name(word) else -math.inf)
        return min(odds + _MARGIN, MOST_PROTECTION) if odds >= 0 else -math.inf

    def _abbreviated_by(self, word: str) -> list[int]:
        """Returns the places of the words that give this one without some of their vowels: "ur" for "our"."""
        letters = self._skeletons.get(_VOWELS.sub("", word), []) if len(word) <= _SHORT else []
        return [place for place in letters if _is_part(word, self._words[place])]

    def _is_name(self, word: str) -> bool:
        """Returns whether people capitalize a word in the middle of sentences, which they do not do with a typo."""
        forms = self._written.forms.get(word, Counter())
        return forms.total() >= _SLANG_USES and forms[word] < forms.total() / 2

    def usual_case(self, word: str) -> str:
        """Returns the usual form of a word."""
        listed = self._listed.get(word) or self._forms(word)
        forms = self._written.forms.get(word, Counter())
        capital = 1 - forms[word] / forms.total() if forms.total() >= _LEAST_USES else None
        if listed and word not in listed:  # always written with a capital
            if capital is not None and capital < _NEVER_CAPITALIZED:
                return word
            return max(listed, key=lambda form: forms[form])
        least = _CAPITALIZED[word in listed and word != "i"]  # the pronoun, which the dictionary lists as a letter too
        if capital is None or capital <= least or (len(word) == 1 and word != "i"):
            return word
        # A word that the dictionary has in lower case only is capitalized in titles: a corpus about films writes Frozen and Hello.
        others = [form for form in forms if form != word and (word not in listed or form in listed)]
        return max(others, key=lambda form: forms[form], default=word)

    def further(self) -> Iterable[str]:
        """Yields words that the vocabulary may lack."""
        candidates = [w for w, f in self._zipf.items() if f >= _FURTHER_ZIPF and w.replace("'", "").isalpha()]
        with progress_bar("looking up words", len(candidates)) as bar:
            for number, word in enumerate(candidates):
                if word not in self._ids and self._is_further_word(word):
                    yield word
                bar(number + 1, word)

    def _is_further_word(self, word: str) -> bool:
        # Typos are far more frequent than the short abbreviations and names (Ky, Te) that they look like.
        forms = self._forms(word)
        if forms and (len(word) > _SHORT_NAME or word in forms):
            return True
        least = _SHORT_SLANG_ZIPF if forms else _FURTHER_SLANG_ZIPF
        return self._zipf[word] >= least and self._protection_of_unlisted(word) > 0

    def _log_frequency(self, word: str) -> float:
        return _ZIPF * max(self._zipf.get(word, _LEAST_ZIPF), _LEAST_ZIPF)

    def _log_uses(self, word: str) -> float:
        return math.log(self._written.uses[word] + 0.5)


def _is_part(short: str, word: str) -> bool:
    """Returns whether leaving out letters of the word gives the short one."""
    letters = iter(word)
    return short != word and all(letter in letters for letter in short)


def _least(odds: NDArray[np.float64]) -> float:
    return float(odds.min(initial=np.inf))
