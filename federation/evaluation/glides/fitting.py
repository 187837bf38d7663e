"""Fits the decoder's parameters on synthetic hands: `python -m federation.evaluation.glides.fitting [GESTURES [SWEEPS]]`.

1. Hands of the fitted kinds glide words. Half of them are drawn by their frequency among training users' messages, half by its
   square root, so that rare words count too.
2. The decoder's candidates get the probabilities that their scores imply. The loss is the mean of -ln P of the meant word,
   which is at least that of `_LOST` for a word that is not among them.
3. The parameters that weigh features of the candidates are fitted by gradient, because the loss is convex in them.
4. Each other parameter in turn is raised and lowered by a fifth, and the best value is kept. Then those of step 3 are fitted
   again. This is repeated until no change helps, or `SWEEPS` times.

The result is printed as the lines of `GlideParameters`, with the loss and the share of first words on the kinds that were
held out.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from data.corpus import Corpus, Part, open_corpus
from data.tokenizer import tokenize
from federation.evaluation.glides.glide_lines import RecordedGlide
from federation.evaluation.glides.measurement import hand_glides
from federation.evaluation.glides.noisy_traces import GEOMETRY
from federation.evaluation.glides.synthetic_kinds import FITTED, HELD_OUT, SyntheticKind
from model.device.folder import PRETRAINED, load_model
from model.device.gliding.decoder import GlideDecoder, zipf
from model.device.gliding.parameters import WEIGHTS, GlideParameters

_FACTORS = (1.2, 1 / 1.2)
_ENOUGH = 1e-3  # nats; a sweep that gains less is the last
_LOST = 1e-6
_CANDIDATES = 60
_PEOPLE = 400  # training users whose words are counted


def drawn_words(corpus: Corpus, words: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Returns words of at least two letters of a to z, drawn as described above."""
    kept = {word: 0 for word in words if len(word) > 1 and all(c in GEOMETRY.boxes for c in word.replace("'", ""))}
    for user in corpus.users()[:_PEOPLE]:
        for text in corpus.messages(user):
            for token in tokenize(text):
                if token.word in kept:
                    kept[token.word] += 1
    counts = np.array(list(kept.values()), float)
    chances = [power / power.sum() for power in (counts, np.sqrt(counts))]
    chosen = [rng.choice(len(counts), count, p=p) for p in chances]
    mixed = np.where(rng.random(count) < 0.5, *chosen)
    names = list(kept)
    return [names[i] for i in mixed]


class _Gesture(NamedTuple):
    """What a decoder finds for a gesture."""

    alignments: NDArray[np.float32]  # [candidates]
    features: NDArray[np.float32]  # [candidates, features]
    meant: int | None  # the candidate that was meant

    def chances(self, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns the probability of each candidate, [candidates]."""
        scores = self.features @ weights - self.alignments
        chances = np.exp(scores - scores.max())
        return np.asarray(chances / chances.sum())


def _decoded(parameters: GlideParameters, words: Sequence[str], glides: Sequence[RecordedGlide]) -> list[_Gesture]:
    """Returns what the decoder finds for gestures; those of one person follow each other."""
    frequencies, found = zipf(len(words)), []
    geometry, decoder = None, GlideDecoder(words, GEOMETRY, parameters=parameters)
    for glide in glides:
        if glide.geometry != geometry:
            geometry = glide.geometry
            decoder = GlideDecoder(words, geometry, parameters=parameters)
        compared = decoder.compare(glide.gesture, frequencies, _CANDIDATES)
        meant = next((i for i, word in enumerate(compared.words) if words[word] == glide.word), None)
        found.append(_Gesture(compared.alignments, compared.features, meant))
    return found


def loss_of(gestures: Sequence[_Gesture], weights: NDArray[np.floating]) -> tuple[float, float]:
    """Returns the mean loss in nats, and the share of gestures whose word comes first."""
    losses, first = [], 0
    for gesture in gestures:
        chances = gesture.chances(weights)
        losses.append(-math.log(max(_LOST if gesture.meant is None else float(chances[gesture.meant]), _LOST)))
        first += gesture.meant is not None and gesture.meant == chances.argmax()
    return float(np.mean(losses)), first / len(gestures)


def _weighed(parameters: GlideParameters, gestures: Sequence[_Gesture]) -> GlideParameters:
    """Returns parameters with the best weights of the candidates' features."""
    known = [gesture for gesture in gestures if gesture.meant is not None]

    def loss_and_slope(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, slope = 0.0, np.zeros(len(weights))
        for gesture in known:
            chances = gesture.chances(weights)
            loss -= math.log(max(float(chances[gesture.meant]), 1e-300))
            slope += chances @ gesture.features - gesture.features[gesture.meant]
        return loss / len(known), slope / len(known)

    best = minimize(loss_and_slope, parameters.weights.astype(np.float64), jac=True, method="L-BFGS-B").x
    return replace(parameters, **{name: float(sign * w) for (name, sign), w in zip(WEIGHTS.items(), best, strict=True)})


def fit(words: Sequence[str], glides: Sequence[RecordedGlide], sweeps: int) -> GlideParameters:
    """Returns the parameters of the least loss that the search finds from those in force."""

    def tried(parameters: GlideParameters) -> tuple[float, list[_Gesture]]:
        gestures = _decoded(parameters, words, glides)
        return loss_of(gestures, parameters.weights)[0], gestures

    best = GlideParameters()
    least, gestures = tried(best)
    for _ in range(sweeps):
        before = least
        best = _weighed(best, gestures)
        least, _ = loss_of(gestures, best.weights)
        print(f"weights of the features: loss {least:.4f}", file=sys.stderr, flush=True)
        for name in (field.name for field in fields(best) if field.name not in WEIGHTS):
            for factor in _FACTORS:
                changed = replace(best, **{name: getattr(best, name) * factor})
                loss, found = tried(changed)
                if loss < least:
                    best, least, gestures = changed, loss, found
                    print(f"{name}: {getattr(best, name):.3g}, loss {least:.4f}", file=sys.stderr, flush=True)
                    break
        if before - least < _ENOUGH:
            break
    return _weighed(best, gestures)


def _glides(kinds: Mapping[str, SyntheticKind], words: Sequence[str], seed: int) -> list[RecordedGlide]:
    share = len(words) // len(kinds)
    pieces = [words[share * i : share * (i + 1)] for i in range(len(kinds))]
    return [
        glide
        for kind, piece in zip(kinds.values(), pieces, strict=True)
        for glide in hand_glides([(word, "") for word in piece], kind, seed)
    ]


def main(count: int = 900, sweeps: int = 2) -> None:
    """Fits on `count` gestures and prints the result."""
    model, rng = load_model(PRETRAINED), np.random.default_rng(0)
    words = drawn_words(Part(open_corpus("chitchat"), "train"), model.vocabulary.words, 2 * count, rng)
    fitted, held_out = _glides(FITTED, words[:count], 1), _glides(HELD_OUT, words[count:], 2)
    before = GlideParameters()
    after = fit(model.vocabulary.words, fitted, sweeps)
    for name in (field.name for field in fields(after)):
        print(f"    {name}: float = {getattr(after, name):.3g}")
    for title, parameters in (("before", before), ("after", after)):
        losses = [
            loss_of(_decoded(parameters, model.vocabulary.words, glides), parameters.weights)
            for glides in (fitted, held_out)
        ]
        print(
            title,
            *(
                f"{name}: loss {loss:.4f}, top-1 {first:.1%}"
                for name, (loss, first) in zip(("fitted", "held out"), losses, strict=True)
            ),
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
