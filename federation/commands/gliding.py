"""The options of `federate evaluate` that measure glide typing."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data.corpus import Corpus, Part, open_corpus
from federation.commands.options import BadCallError, positive_number
from model.device.folder import Model, load_model

_WORDS = 1500  # gestures of a measurement on synthetic ones, without --max-words
Result = dict[str, Any]


def add_glide_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--glides",
        type=Path,
        metavar="FILE",
        help="measure glide typing on recorded gestures instead, a JSON Lines file with one gesture a line (default: none)",
    )
    parser.add_argument(
        "--synthetic",
        type=positive_number,
        metavar="NOISE",
        help="measure glide typing instead, on synthetic gestures for validation users' words in context, which miss the keys' "
        "centres by this many key widths (standard deviation; default: none)",
    )
    parser.add_argument(
        "--hands",
        action="store_true",
        help="measure glide typing instead, on synthetic hands of several kinds, for validation users' words without context",
    )


def asks_for_glides(options: argparse.Namespace) -> bool:
    """Returns whether the options ask for a measurement of glide typing.

    Raises:
      BadCallError: they ask for several, or for another measurement too.
    """
    asked = [options.glides is not None, options.synthetic is not None, options.hands]
    if sum(asked) > 1:
        raise BadCallError("choose one of --glides, --synthetic and --hands")
    others = ("personal", "network_alone", "slips", "missed_keys", "beside", "baselines")
    if any(asked) and (other := next((name for name in others if getattr(options, name)), None)):
        raise BadCallError(f"glides are measured alone: leave out --{other.replace('_', '-')}")
    return any(asked)


def run_glides(options: argparse.Namespace) -> Result:
    """Measures glide typing and returns its result for JSON.

    Raises:
      DataError: the gestures, the model or the corpus is invalid, or no gesture is of a word of the vocabulary.
    """
    from federation.evaluation.glides.glide_lines import read_glides

    if options.glides is not None:
        glides = read_glides(options.glides)
        return _measured(_model_of(options), {"recorded gestures": glides})["recorded gestures"]
    from federation.evaluation.glides.frequencies import log_frequencies
    from federation.evaluation.glides.hand_learning import hand_table, measure_hand_learning
    from federation.evaluation.glides.measurement import hand_glides, noisy_glides, words_in_context
    from federation.evaluation.glides.noisy_traces import GEOMETRY
    from federation.evaluation.glides.synthetic_kinds import FITTED, HELD_OUT
    from federation.reports.tables import print_tables

    corpus: Corpus = Part(open_corpus(options.corpus), "validation")
    words = words_in_context(corpus, corpus.users(), GEOMETRY, options.max_words or _WORDS)
    if options.synthetic is not None:
        name = f"synthetic gestures, noise {options.synthetic:g}"
        return _measured(_model_of(options), {name: noisy_glides(words, options.synthetic)})[name]
    model, kinds = _model_of(options), FITTED | HELD_OUT
    measured = _measured(model, {name: hand_glides(words, kind) for name, kind in kinds.items()})
    known = [word for word, _ in words if word in model.vocabulary]
    gains = {
        name: measure_hand_learning(model.vocabulary.words, log_frequencies(model), known, kind)
        for name, kind in kinds.items()
    }
    print_tables([hand_table(gains)])
    return {
        "hands": {
            name: {
                **figures,
                "fitted": name in FITTED,
                "top1_hand_unknown": gains[name].usual / max(gains[name].words, 1),
                "top1_hand_learned": gains[name].learned / max(gains[name].words, 1),
            }
            for name, figures in measured.items()
        }
    }


def _model_of(options: argparse.Namespace) -> Model:
    model = load_model(options.model)
    if model.notice:
        print(model.notice, file=sys.stderr)
    return model


def _measured(model: Model, gestures: Mapping[str, Iterable[Any]]) -> dict[str, Result]:
    from federation.evaluation.glides.measurement import glide_table, measure_glides
    from federation.reports.tables import print_tables

    results = {name: measure_glides(model, glides).summary for name, glides in gestures.items()}
    print_tables([glide_table(results)])
    return results
