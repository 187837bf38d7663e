"""The case in which a person writes a word."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from data.tokenizer import PUNCTUATION, Token, compose

_LEAST_USES = 2  # a single use may be a typo


class WrittenCase:
    """Counts the forms of a person's words: NASA, Xiaoming, McKinley."""

    def __init__(self) -> None:
        self._forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._starts: Counter[str] = Counter()

    def learn(self, tokens: Sequence[Token]) -> None:
        """Counts the tokens of a message.

        A capital first letter at the start of a sentence is no evidence, and neither is a message in capitals.
        """
        texts = [token.text for token in tokens if token.text[0].isalpha()]
        if len(texts) > 1 and all(text.isupper() for text in texts):
            return
        starts = True
        for token in tokens:
            if token.word[0].isalpha():
                form = compose(token.text)
                if starts and form[0].isupper() and form[1:] == token.word[1:]:
                    self._starts[token.word] += 1
                else:
                    self._forms[token.word][form] += 1
            starts = token.text in PUNCTUATION and token.text != ","

    def form(self, word: str) -> str | None:
        """Returns the form in which the person mostly writes a lower-case word; None without a form that occurred twice."""
        forms = self._forms.get(word)
        if not forms:
            return None
        form, uses = forms.most_common(1)[0]
        return form if uses >= _LEAST_USES and 2 * uses > forms.total() else None

    def form_at_starts(self, word: str) -> str | None:
        """Returns the capitalized form of a word that the person wrote only at the start of sentences, more than once."""
        only = word not in self._forms and self._starts[word] >= _LEAST_USES
        return word[:1].upper() + word[1:] if only else None
