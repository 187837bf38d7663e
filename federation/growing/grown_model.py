"""The next model of a federation: one of a larger vocabulary, or with more phrases, which keyboards take over."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.vocabulary import Vocabulary
from federation.growing.chosen_words import Chosen, choose_words
from federation.growing.counts_files import Counted, Counts
from federation.growing.grown_lexicon import GrownLexicon
from federation.growing.new_rows import shares_of, with_new_rows
from federation.lexicon import EnglishDictionary, word_frequencies
from federation.reports.model_card import STEP, history
from model.device.config import ModelConfig
from model.device.folder import Model, save_model
from model.device.programs import NoProgramError, find_program, most_words, program_for
from model.device.quantization import half_precision
from model.device.suggesting.offensive import offensive_words
from model.device.weights import Provenance, digest


@dataclass(frozen=True)
class Language:
    """What is known of a language's words; see `federation.growing.grown_lexicon`."""

    zipf: dict[str, float]
    forms: Callable[[str], Sequence[str]]
    offensive: Container[str]


def language_of(model: Model) -> Language:
    """Returns what is known of a model's language: that of English for a model with a lexicon, which is English."""
    if model.lexicon is None:
        return Language({}, lambda _: [], offensive_words())
    return Language(word_frequencies(), EnglishDictionary().forms, offensive_words())


@dataclass(frozen=True)
class Grown:
    """A model with more words, and the choice of these words; its card is still that of the model before."""

    model: Model
    chosen: Chosen
    share: float  # of `<unk>`'s probability, which the new words have together


def grow(model: Model, found: Counts, language: Language) -> Grown:
    """Returns the model with found words at the end of its vocabulary. Words of before keep their ids and their weights.

    The weights are those that 16 bits represent. A model without a lexicon gets none, and takes typos in.

    Raises:
      DataError: no word is left that could join, or a weight is too large for 16 bits.
    """
    vocabulary, config = model.vocabulary, model.provenance.config
    most = most_words(config)
    room = None if most is None else max(most - len(vocabulary), 0)
    larger = None
    if model.lexicon is not None:
        larger = GrownLexicon(*(model.lexicon, vocabulary, found.found, found.devices, language.zipf, language.forms))
    chosen = choose_words(
        *(found.found, vocabulary, room, language.offensive), larger.is_typo if larger else lambda _: False
    )
    if not chosen.words:
        raise DataError(_nothing(chosen, room))
    grown = Vocabulary([*vocabulary.words, *(word.text for word in chosen.words)])
    shares = shares_of(chosen.words, found.offers)
    with np.errstate(over="ignore"):
        weights, _ = half_precision(with_new_rows(model.weights, shares))
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise DataError("a weight is above 65,504, the largest number of 16 bits: the model cannot grow")
    sizes = replace(config, vocabulary=len(grown))
    phrases = model.phrases
    if phrases is not None:
        phrases = replace(phrases, vocabulary_sha256=grown.sha256, vocabulary=len(grown))
    return Grown(
        replace(
            model,
            weights=weights,
            provenance=Provenance(sizes, grown.sha256, model.provenance.round, digest(model.weights)),
            vocabulary=grown,
            program=_program(sizes, model.program),
            lexicon=None if larger is None else larger.lexicon_of(grown),
            phrases=phrases,
        ),
        chosen,
        float(shares.sum()),
    )


def _nothing(chosen: Chosen, room: int | None) -> str:
    if room == 0:
        return "the vocabulary has as many words as the largest program of the app has rows for: it cannot grow"
    reasons = ", ".join(f"{len(words):,} {reason}" for reason, words in chosen.left_out.items())
    return f"no found word can join the vocabulary ({reasons or 'the file has no words'}): the model stays as it is"


def _program(config: ModelConfig, own: bytes) -> bytes:
    try:
        return program_for(config, own)
    except NoProgramError:  # sizes that the app does not come with, as in experiments
        from model.program import build_program  # imports TensorFlow, which takes seconds

        return build_program(config)


def save_grown(out: Path, model: Model) -> None:
    """Saves a model as shipped ones are: without a program if the app has one for its sizes.

    Raises:
      DataError: the path holds something else than a model folder.
    """
    save_model(out, model, with_program=find_program(model.provenance.config) is None)


def grown_card(parent: Model, model: Model, words: Sequence[Counted], devices: int, source: str, command: str) -> str:
    """Returns the card of a model that grew, in Markdown.

    Args:
      parent: the model before.
      model: the model that grew.
      words: the new words.
      devices: the number of devices that took part in finding them; 0 if no word is new.
      source: the files of words and phrases, with their digests.
      command: the command line.
    """
    before, after = parent.vocabulary, model.vocabulary
    if words:
        least = min(word.devices for word in words)
        about = f"{len(words):,}, each from at least {least:,} of {devices:,} devices; the others keep their ids and weights"
    else:
        about = "none"
    first = "the embedding of `<unk>`, and a share of its probability for each" if words else "as in the parent"
    limits = (
        "The network has learned nothing about the new words yet: further rounds teach it" if words else "Not measured"
    )
    return f"""# Model card

A CIFG-LSTM that predicts the next word of a message, after {model.provenance.round} federated rounds. It was made in these steps:

{chr(10).join([*history(parent.card), f"{STEP}`{command}`"])}

The last step:

| | |
| --- | --- |
| parent | weights of SHA-256 `{digest(parent.weights)}` |
| vocabulary before | {len(before):,} entries, SHA-256 `{before.sha256}` |
| vocabulary | {len(after):,} entries, SHA-256 `{after.sha256}` |
| new words | {about} |
| from | {source} |
| first weights | {first} |
| phrases | {_phrases(model)} |

**Limits.** {limits}. To measure the model beside its parent, run
`uv run federate evaluate --model PARENT --beside FOLDER`.

The lexicon says which entries are words. It is derived from the sources that `lexicon.safetensors` names in its header, and is
under the license that it states there.
"""


def _phrases(model: Model) -> str:
    return "none" if model.phrases is None else f"{model.phrases.sources}; weight {model.phrases.weight:.3f}"
