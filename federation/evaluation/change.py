"""What training changed, in words: the recall of two models on the same words of the same people, and whether it is chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from federation.evaluation.significance import PairedComparison, compare
from model.device.metrics import Scores

_CHANCE = 0.05  # a change of this p-value or more may be chance


def change_lines(before: Sequence[Scores], after: Sequence[Scores]) -> list[str]:
    """Returns lines about the change in recall at 1 and at 3, given the scores of each person before and after."""
    words = np.array([person.words for person in before])
    people = int(np.count_nonzero(words))
    if not people:
        return ["Recall could not be measured: validation users wrote no word of the vocabulary."]
    return [
        f"On {words.sum():,} words of {people:,} {'person' if people == 1 else 'people'} who did not take part in training:",
        _line("recall at 1", [s.first for s in before], [s.first for s in after], words),
        _line("recall at 3", [s.among_three for s in before], [s.among_three for s in after], words),
    ]


def recall_change(before: np.ndarray, after: np.ndarray, words: np.ndarray) -> dict[str, Any]:
    """Returns a change in recall at 1: `before`, `after`, the `difference` with its 95% `interval`, `p`, and a `line` of it all.

    Args:
      before: [U], the number of words of each person, or of each message of one person, that were predicted before.
      after: [U], the same after.
      words: [U], the number of words of each.
    """
    if not words.any():
        nothing = {"before": 0.0, "after": 0.0, "difference": 0.0, "interval": None, "p": 1.0}
        return nothing | {"line": "none of the words is in the vocabulary"}
    found = compare(after, before, words)
    interval = found.difference_interval
    return {
        "before": float(before.sum() / words.sum()),
        "after": float(after.sum() / words.sum()),
        "difference": found.difference,
        "interval": [interval.low, interval.high] if interval else None,
        "p": found.p,
        "line": _line("recall at 1", before.tolist(), after.tolist(), words),
    }


def _line(name: str, before: Sequence[int], after: Sequence[int], words: np.ndarray) -> str:
    found = compare(np.array(after), np.array(before), words)
    recalls = f"{sum(before) / words.sum():.1%} → {sum(after) / words.sum():.1%}"
    interval = found.difference_interval
    shown = f" [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]" if interval else ""
    return f"{name} {recalls}, {100 * found.difference:+.1f} points{shown}: {_verdict(found)}"


def _verdict(found: PairedComparison) -> str:
    if found.difference == 0:
        return "no change"
    p = f"p = {found.p:.3f}" if found.p >= 0.001 else "p < 0.001"
    kind = "better" if found.difference > 0 else "worse"
    return f"{kind}, by more than chance explains ({p})" if found.p < _CHANCE else f"{kind}, but it may be chance ({p})"
