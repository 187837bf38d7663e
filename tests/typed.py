"""The keystrokes of a person who types on a keyboard that counts their n-grams, by the definition of the metric."""

from collections.abc import Iterable

from data.vocabulary import Vocabulary
from model.device.metrics import Typing, type_message
from model.device.runtime import Program
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


def type_and_learn(
    messages: Iterable[str], program: Program, vocabulary: Vocabulary, personal: PersonalNgram
) -> Typing:
    """Types messages as on a keyboard: the personal n-gram model learns each message after it was typed."""
    suggest, total = Suggester(Reader(program), vocabulary, personal).suggest, Typing()
    for text in messages:
        total += type_message(text, suggest)
        personal.learn(text)
    return total
