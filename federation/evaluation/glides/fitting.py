"""Fits the decoder's parameters on synthetic hands: `python -m federation.evaluation.glides.fitting`.

1. Hands of the fitted kinds glide words. Half of them are drawn by their frequency among training users' messages, half by its
   square root, so that rare words count too.
2. The decoder's candidates get the probabilities that their scores imply. The loss is the mean of -ln P of the meant word,
   which is at least that of `_LOST` for a word that is not among them.
3. Each parameter in turn is raised and lowered by a fifth, and the best value is kept, until no change helps.

The result is printed as the lines of `GlideParameters`, with the loss and the share of first words on the kinds that were
held out.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from data.corpus import Corpus, Part, open_corpus
from data.tokenizer import tokenize
from federation.evaluation.glides.glide_lines import RecordedGlide
from federation.evaluation.glides.measurement import hand_glides
from federation.evaluation.glides.noisy_traces import GEOMETRY
from federation.evaluation.glides.synthetic_kinds import FITTED, HELD_OUT, SyntheticKind
from model.device.folder import PRETRAINED, load_model
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.parameters import GlideParameters

_FACTORS = (1.2, 1 / 1.2)
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


def loss_of(parameters: GlideParameters, words: Sequence[str], glides: Sequence[RecordedGlide]) -> tuple[float, float]:
    """Returns the mean loss in nats, and the share of gestures whose word comes first."""
    decoder, losses, first = GlideDecoder(words, GEOMETRY, parameters=parameters), [], 0
    for glide in glides:
        found = decoder.decode(glide.gesture, count=_CANDIDATES)
        scores = np.array([candidate.score for candidate in found])
        place = next((i for i, candidate in enumerate(found) if candidate.word == glide.word), None)
        chances = np.exp(scores - scores.max())
        losses.append(-np.log(max(_LOST if place is None else chances[place] / chances.sum(), _LOST)))
        first += place == 0
    return float(np.mean(losses)), first / len(glides)


def fit(words: Sequence[str], glides: Sequence[RecordedGlide], sweeps: int) -> GlideParameters:
    """Returns the parameters of the least loss that the search finds from those in force."""
    best = GlideParameters()
    least, _ = loss_of(best, words, glides)
    for _ in range(sweeps):
        before = least
        for name in (field.name for field in fields(best)):
            for factor in _FACTORS:
                tried = replace(best, **{name: getattr(best, name) * factor})
                loss, _ = loss_of(tried, words, glides)
                if loss < least:
                    best, least = tried, loss
                    print(f"{name}: {getattr(best, name):.3g}, loss {least:.4f}", file=sys.stderr, flush=True)
                    break
        if least == before:
            break
    return best


def _glides(kinds: Mapping[str, SyntheticKind], words: Sequence[str], seed: int) -> list[RecordedGlide]:
    share = len(words) // len(kinds)
    pieces = [words[share * i : share * (i + 1)] for i in range(len(kinds))]
    return [
        glide
        for kind, piece in zip(kinds.values(), pieces, strict=True)
        for glide in hand_glides([(word, "") for word in piece], kind, seed)
    ]


def main(count: int = 1200, sweeps: int = 3) -> None:
    """Fits on `count` gestures and prints the result."""
    model, rng = load_model(PRETRAINED), np.random.default_rng(0)
    words = drawn_words(Part(open_corpus("chitchat"), "train"), model.vocabulary.words, 2 * count, rng)
    fitted, held_out = _glides(FITTED, words[:count], 1), _glides(HELD_OUT, words[count:], 2)
    before = GlideParameters()
    after = fit(model.vocabulary.words, fitted, sweeps)
    for name in (field.name for field in fields(after)):
        print(f"    {name}: float = {getattr(after, name):.3g}")
    for title, parameters in (("before", before), ("after", after)):
        losses = [loss_of(parameters, model.vocabulary.words, glides) for glides in (fitted, held_out)]
        print(
            title,
            *(
                f"{name}: loss {loss:.4f}, top-1 {first:.1%}"
                for name, (loss, first) in zip(("fitted", "held out"), losses, strict=True)
            ),
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
