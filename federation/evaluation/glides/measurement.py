"""Measures the decoder of glides on recorded or synthetic gestures, one after another, on one core.

Each gesture is decoded with the probabilities that the model gives to the words after its context, or without a context with the
words' frequencies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpus import Corpus
from data.errors import DataError
from data.tokenizer import tokenize
from federation.evaluation.glides.frequencies import log_frequencies
from federation.evaluation.glides.glide_lines import RecordedGlide
from federation.evaluation.glides.noisy_traces import GEOMETRY, noisy_trace
from federation.evaluation.glides.synthetic_hands import SyntheticHand
from federation.evaluation.glides.synthetic_kinds import SyntheticKind
from federation.reports.tables import Rows
from model.device.folder import Model
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import KeyGeometry
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester, words_of

_MESSAGES = 6  # of each user, for synthetic gestures
_FOUR = 4  # words shown for a gesture: the one that is written and three alternatives
_DECODERS = 4  # kept at a time, one for each geometry
_HAND_WORDS = 20  # of one synthetic person
_LEAST = 1e-12  # probability of a word that underflowed to 0: a clear gesture may still mean it
_MEBIBYTE = 1 << 20


@dataclass
class GlideScores:
    """What became of gestures; a gesture's word is eligible if the vocabulary has it and it has at least two letters."""

    gestures: int = 0
    eligible: int = 0
    first: int = 0  # eligible words that came first
    among_four: int = 0
    milliseconds: list[float] = field(default_factory=list)  # of decoding each gesture
    decoder_bytes: int = 0

    @property
    def summary(self) -> dict[str, Any]:
        """The figures for JSON.

        Raises:
          DataError: no word is eligible.
        """
        if not self.eligible:
            raise DataError(
                "no word of these gestures is in the model's vocabulary: check that they are in its language"
            )
        return {
            "gestures": self.gestures,
            "words": self.eligible,
            "top1": self.first / self.eligible,
            "top4": self.among_four / self.eligible,
            "top1_all_words": self.first / self.gestures,
            "ms_p50": float(np.percentile(self.milliseconds, 50)),
            "ms_p99": float(np.percentile(self.milliseconds, 99)),
            "decoder_mebibytes": self.decoder_bytes / _MEBIBYTE,
        }


def measure_glides(model: Model, glides: Iterable[RecordedGlide]) -> GlideScores:
    """Decodes gestures with a model and returns the counts."""
    suggester = Suggester(Reader(model.start(), phrases=model.phrases), model.vocabulary)
    frequencies = log_frequencies(model)
    decoders: dict[Any, GlideDecoder] = {}
    scores = GlideScores()
    for glide in glides:
        boxes = tuple(glide.geometry.boxes.items())
        if boxes not in decoders:
            if len(decoders) == _DECODERS:
                decoders.pop(next(iter(decoders)))
            decoders[boxes] = GlideDecoder(model.vocabulary.words, glide.geometry, frequencies)
        decoder = decoders[boxes]
        prior = None if glide.context is None else _log_prior(suggester, glide.context)
        start = perf_counter()
        found = [candidate.word for candidate in decoder.decode(glide.gesture, prior, _FOUR)]
        scores.milliseconds.append(1000 * (perf_counter() - start))
        eligible = len(glide.word) > 1 and glide.word in model.vocabulary
        scores.gestures += 1
        scores.eligible += eligible
        scores.first += eligible and found[:1] == [glide.word]
        scores.among_four += eligible and glide.word in found
        scores.decoder_bytes = max(scores.decoder_bytes, decoder.nbytes)
    return scores


def _log_prior(suggester: Suggester, context: str) -> NDArray[np.float32]:
    prior: NDArray[np.float32] = np.log(np.maximum(suggester.predictor.probabilities(words_of(context)), _LEAST))
    return prior


def words_in_context(corpus: Corpus, users: Sequence[str], geometry: KeyGeometry, count: int) -> list[tuple[str, str]]:
    """Returns the first `count` words that can be glided from the first messages of users, and the message before each."""
    found = []
    for user in users:
        for text in list(corpus.messages(user))[:_MESSAGES]:
            for token in tokenize(text):
                letters = token.word.replace("'", "")
                if len(letters) > 1 and all(letter in geometry.boxes for letter in letters):
                    found.append((token.word, text[: token.start]))
                    if len(found) == count:
                        return found
    if not found:
        raise DataError("these users wrote no word that the keys of QWERTY can write")
    return found


def noisy_glides(words: Sequence[tuple[str, str]], noise: float, seed: int = 0) -> Iterator[RecordedGlide]:
    """Yields a simple synthetic gesture for each word after its context."""
    rng = np.random.default_rng(seed)
    for word, context in words:
        yield RecordedGlide(word, context, noisy_trace(word, rng, noise), GEOMETRY)


def hand_glides(words: Sequence[tuple[str, str]], kind: SyntheticKind, seed: int = 0) -> Iterator[RecordedGlide]:
    """Yields gestures of synthetic hands of a kind, without a context; each person glides a few of the words."""
    rng = np.random.default_rng(seed)
    for place, (word, _) in enumerate(words):
        if place % _HAND_WORDS == 0:
            hand = SyntheticHand.of(kind, rng)
            keys = hand.keys
        yield RecordedGlide(word, None, hand.trace(word, keys, rng), keys)


def glide_table(results: Mapping[str, Mapping[str, Any]]) -> tuple[str, Rows]:
    """Returns the table of the figures of several measurements, by name."""
    shares = {
        "top1": "words of the vocabulary that come first",
        "top4": "… among the first four",
        "top1_all_words": "all words that come first",
    }
    rows: Rows = [["", *results]]
    rows.append(["gestures", *(f"{figures['gestures']:,}" for figures in results.values())])
    rows += [[label, *(f"{figures[key]:.1%}" for figures in results.values())] for key, label in shares.items()]
    for key, label in (("ms_p50", "milliseconds to decode a gesture, median"), ("ms_p99", "… 99th percentile")):
        rows.append([label, *(f"{figures[key]:.2f}" for figures in results.values())])
    return "Glide typing", rows
