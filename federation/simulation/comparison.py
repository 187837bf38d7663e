"""The comparison of a search's repeated runs with one of them, the yardstick: differences and their statistical significance.

All models predict the same words of validation users. The words of all repeats of a run are pooled by person, and the
difference to the yardstick, over the seeds that both have, is tested over people (`federation.evaluation.significance`).
The interval covers the choice of people; the spread between seeds shows the effect of the choice of cohorts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.corpus import Part, open_corpus
from data.files import write_csv
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings
from federation.evaluation.held_out_users import equal_shares
from federation.evaluation.predictions import scores_by_person
from federation.evaluation.significance import compare, pooled_interval
from federation.protocol.round_terms import Terms
from federation.protocol.secure_aggregation.modular_vectors import packed_size
from federation.reports.plots import plot_differences
from federation.simulation.trials import Trial
from model.device.folder import Model, load_model
from model.device.metrics import Scores
from model.device.trainable import trainable_parameters

_WORDS = 60_000  # words of validation users to predict


def compare_repeats(models: Mapping[Trial, Path], yardstick: str, out: Path) -> list[dict[str, Any]]:
    """Writes `comparison.csv` and `comparison.png`; returns a row per run, in the order of the list.

    Args:
      models: the model folder of each repeated trial.
      yardstick: the name of the run that others are compared with, on the seeds that both have.
      out: the folder of the files.
    """
    validation = Part(open_corpus(next(iter(models)).corpus), "validation")
    shares = equal_shares(validation, validation.users(), _WORDS)
    scores = {(trial.repeats, trial.seed): by_user(load_model(path), shares) for trial, path in models.items()}
    seeds = [seed for name, seed in scores if name == yardstick]
    rows = []
    for name in dict.fromkeys(trial.repeats for trial in models):
        trial, folder = next((t, folder) for t, folder in models.items() if t.repeats == name)
        common = [seed for seed in seeds if (name, seed) in scores]
        about = {"run": name, "bits": trial.bits, "room": trial.room}
        length = trainable_parameters(load_model(folder).provenance.config, trial.trainable)
        about |= {
            "bytes_sent": bytes_sent(trial, length),
            "seeds": len(common),
        }
        rows.append(about | compared([scores[name, s] for s in common], [scores[yardstick, s] for s in common]))
    write_csv(out / "comparison.csv", rows)
    plot_differences([row for row in rows if row["run"] != yardstick], yardstick, out / "comparison.png")
    return rows


def by_user(model: Model, shares: Sequence[Sequence[str]]) -> list[Scores]:
    """Returns the scores of each person's messages."""
    encoded = [[model.vocabulary.encode(text) for text in share] for share in shares]
    return scores_by_person(model.start(threads=2), encoded)


def bytes_sent(trial: Trial, length: int) -> int:
    """Returns the bytes of vectors that a device sends in a round: its delta of `length` entries, and the counts."""
    if trial.bits in (0, FLOAT_BITS):  # by default, floats are averaged
        return 4 * length
    encoding, _ = SumSettings(trial.bits, trial.room or trial.clients_per_round).encoding(length, Privacy())
    terms = Terms(length, encoding.clipping_norm, encoding.max_weight, encoding.cohort, encoding.bits, 0)
    return packed_size(terms.layout)


def compared(own: Sequence[Sequence[Scores]], others: Sequence[Sequence[Scores]]) -> dict[str, Any]:
    """Returns a run's recall at 1 and its difference from the yardstick's.

    Args:
      own: the run's scores by seed and person.
      others: the yardstick's scores, for the same seeds and people.
    """
    words = np.array([[user.words for user in seed] for seed in own])
    first, first_others = (np.array([[u.first for u in seed] for seed in side]) for side in (own, others))
    recall = pooled_interval(first.sum(0), words.sum(0))
    found = compare(first.sum(0), first_others.sum(0), words.sum(0))
    differences = (first - first_others).sum(1) / words.sum(1)
    total = sum((user for seed in own for user in seed), Scores())
    return {
        "top1": total.top1,
        "top1_ci": [recall.low, recall.high] if recall else None,
        "top3": total.top3,
        "perplexity": total.perplexity,
        "difference": found.difference,
        "difference_ci": [i.low, i.high] if (i := found.difference_interval) else None,
        "p": found.p,
        "by_seed": [float(difference) for difference in differences],
        "top1_by_seed": [float(recall) for recall in first.sum(1) / words.sum(1)],
    }
