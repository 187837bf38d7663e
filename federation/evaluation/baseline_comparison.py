"""The comparison of the global model with its baselines: recall with intervals, ratios with tests, recall by part of the words.

1. All models predict the same words (`federation.evaluation.baselines`).
2. Recall is pooled over words. Its interval, and the interval and test of each ratio, are over people
   (`federation.evaluation.significance`).
3. The figures go to JSON, and for people to tables (`federation.evaluation.baseline_tables`) and plots
   (`federation.reports.plots`).
"""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from data.corpus import Corpus
from data.files import write_by_rename
from data.vocabulary import SPECIALS
from federation.evaluation.baseline_tables import TITLES, Figures, band_label, by_name, comparison_tables
from federation.evaluation.baselines import ORDER, ModelPredictions, central_model, measure, training_messages
from federation.evaluation.predictions import Predictions
from federation.evaluation.significance import Interval, PairedComparison, compare, pooled_interval
from federation.reports.plots import plot_bands, plot_baselines
from federation.reports.tables import markdown
from model.device.folder import Model
from model.device.metrics import Scores

_RANKS = ((1, 10), (11, 100), (101, 1_000), (1_001, None))  # ranks of words by their frequency among training users
_TOKENS_BEFORE = ((0, 0), (1, 1), (2, 2), (3, 4), (5, 9), (10, None))
_IN_DETAIL = ("model", "kneser_ney")  # models whose recall is shown by part of the words


def compare_with_baselines(model: Model, users: Sequence[Sequence[str]], trained_on: Corpus) -> Figures:
    """Runs a model and its baselines over each user's messages, and returns the figures of `compare_models`.

    The n-grams learn from the training users of the corpus `trained_on`.

    Raises:
      DataError: that corpus has no training users.
    """
    training = training_messages(trained_on, model.vocabulary)
    encoded = [[model.vocabulary.encode(text) for text in messages] for messages in users]
    measured = measure(model, encoded, training, central_model(model))
    return compare_models(measured, np.bincount(list(chain.from_iterable(training)), minlength=len(model.vocabulary)))


def write_comparison(result: Figures, folder: Path) -> None:
    """Writes the figures of `federate evaluate --baselines` as `baselines.md` and two plots."""
    write_by_rename(folder / "baselines.md", markdown(comparison_tables(result)).encode())
    plot_baselines({TITLES[name]: own for name, own in by_name(result).items()}, folder / "baselines.png")
    panels = []
    for key, label in (("by_frequency", "frequency rank of the word"), ("by_position", "tokens before the word")):
        models = {TITLES[name]: [band[name] for band in result[key]] for name in _IN_DETAIL}
        panels.append((label, [band_label(band) for band in result[key]], models))
    plot_bands(panels, folder / "recall_by_word.png")


def compare_models(measured: Sequence[ModelPredictions], training_counts: np.ndarray) -> Figures:
    """Returns all figures, ready for JSON; undefined ones are None, never NaN.

    Args:
      measured: the model and its baselines, as `federation.evaluation.baselines.measure` returns them.
      training_counts: [V], the number of times that training users wrote each word.

    Returns:
      `top1_ci` and `top3_ci` of the model; `baselines` and `quantized`, figures by name; `ratio_to_…`, the model's recall over a
      baseline's; `by_frequency` and `by_position`, recall of the model and of Kneser-Ney by part of the words.
    """
    models = {m.name: m for m in measured}
    scores = {m.name: [user.scores() for user in m.users] for m in measured}
    figures = {name: _figures(s, models[name].bytes) for name, s in scores.items()}
    for name, own in figures.items():
        if name != "kneser_ney":
            own["ratio_to_kneser_ney"] = _ratio(scores[name], scores["kneser_ney"])
    figures["kneser_ney"]["order"] = ORDER
    quantized = {name: figures[name] for name in ("float16", "int8")}
    for name, own in quantized.items():
        own["ratio_to_full_precision"] = _ratio(scores[name], scores["model"])
    baselines = {name: own for name, own in figures.items() if name not in ("model", *quantized)}
    detailed = [models[name] for name in _IN_DETAIL]
    return {
        "users": sum(s.words > 0 for s in scores["model"]),
        **{name: figures["model"][name] for name in ("top1_ci", "top3_ci", "bytes")},
        "baselines": baselines,
        "quantized": quantized,
        **{f"ratio_to_{name}": _ratio(scores["model"], scores[name]) for name in baselines},
        "by_frequency": by_frequency(detailed, training_counts),
        "by_position": by_position(detailed),
    }


def by_frequency(measured: Sequence[ModelPredictions], training_counts: np.ndarray) -> list[Figures]:
    """Returns recall by the frequency rank of the word among all words of the vocabulary; rank 1 is the most frequent."""
    words = training_counts[len(SPECIALS) :]
    rank = np.zeros(len(training_counts), int)
    rank[len(SPECIALS) + np.argsort(-words, kind="stable")] = np.arange(1, len(words) + 1)
    return _by_band(measured, _RANKS, lambda found: rank[found.targets])


def by_position(measured: Sequence[ModelPredictions]) -> list[Figures]:
    """Returns recall by the number of tokens before the word in its message, the only context that a model has."""
    return _by_band(measured, _TOKENS_BEFORE, lambda found: found.positions)


def _by_band(
    measured: Sequence[ModelPredictions],
    bands: Sequence[tuple[int, int | None]],
    value: Callable[[Predictions], np.ndarray],
) -> list[Figures]:
    """Returns the figures of each band that has words; an open band ends in None."""
    found = []
    for low, high in bands:
        end = np.inf if high is None else high
        sums = {m.name: [u.scores((value(u) >= low) & (value(u) <= end)) for u in m.users] for m in measured}
        words = sum(s.words for s in sums[measured[0].name])
        if words:
            models = {name: _recalls(users) for name, users in sums.items()}
            found.append({"from": low, "to": high, "words": words, **models})
    return found


def _figures(users: Sequence[Scores], size: int | None) -> Figures:
    total = sum(users, Scores())
    all_words = {"top1_all_words": total.top1_all_words, "top3_all_words": total.top3_all_words}
    return _recalls(users) | all_words | {"perplexity": total.perplexity} | ({"bytes": size} if size else {})


def _recalls(users: Sequence[Scores]) -> Figures:
    total, words = sum(users, Scores()), np.array([u.words for u in users])
    return {
        "top1": total.top1,
        "top3": total.top3,
        "top1_ci": _pair(pooled_interval(np.array([u.first for u in users]), words)),
        "top3_ci": _pair(pooled_interval(np.array([u.among_three for u in users]), words)),
    }


def _ratio(users: Sequence[Scores], others: Sequence[Scores]) -> Figures:
    words = np.array([u.words for u in users])

    def compared(count: Callable[[Scores], int]) -> PairedComparison:
        return compare(np.array([count(u) for u in users]), np.array([count(u) for u in others]), words)

    first, three = compared(lambda s: s.first), compared(lambda s: s.among_three)
    return {
        "top1": first.ratio,
        "ci": _pair(first.ratio_interval),
        "p": first.p,
        "top3": three.ratio,
        "top3_ci": _pair(three.ratio_interval),
        "top3_p": three.p,
    }


def _pair(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None
