"""Results of personalization: figures for the command; tables and the curve's plot as files."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.files import write_csv
from federation.evaluation.personalization import (
    CurvePoint,
    Measurement,
    Personalization,
    mean_gain_interval,
    relative_gain,
)
from federation.evaluation.significance import Interval
from federation.reports.plots import plot_curve
from model.device.metrics import Scores, Typing
from model.device.suggesting.personal import USUAL_TRUST


def personalization_result(results: Sequence[Personalization]) -> dict[str, Any]:
    """Returns the figures over all people with a recall at 1 above 0 before; recalls and KSR are pooled over their words.

    Raises:
      DataError: nobody had a recall at 1 above 0 before.
    """
    kept = _comparable(results)
    before, after = _total([r.before for r in kept]), _total([r.after for r in kept])
    typed_before, typed_after = (
        sum((r.typed_before for r in kept), Typing()),
        sum((r.typed_after for r in kept), Typing()),
    )
    gains = [r.relative_gain for r in kept]
    prequential = [relative_gain(r.before, r.prequential) for r in kept]
    result: dict[str, Any] = {
        "users": len(kept),
        "top1_before": before.top1,
        "top1_after": after.top1,
        "top3_before": before.top3,
        "top3_after": after.top3,
        "top1_all_words_before": before.top1_all_words,
        "top1_all_words_after": after.top1_all_words,
        "ksr_before": typed_before.savings_rate,
        "ksr_after": typed_after.savings_rate,
        "mean_relative_top1_gain": sum(gains) / len(gains),
        "mean_relative_top1_gain_ci": _pair(mean_gain_interval(gains)),
        "median_relative_top1_gain": statistics.median(gains),
        "top1_prequential": _total([r.prequential for r in kept]).top1,
        "mean_relative_top1_gain_prequential": sum(prequential) / len(prequential),
        "users_better": sum(r.after.scores.first > r.before.scores.first for r in kept),
        "users_worse": sum(r.after.scores.first < r.before.scores.first for r in kept),
        "users_significantly_better": sum(r.change > 0 for r in kept),
        "users_significantly_worse": sum(r.change < 0 for r in kept),
        "users_kept_old": sum(r.kept_old for r in kept),
        "users_trusted_more": sum(r.trust > USUAL_TRUST for r in kept),
        "users_trusted_less": sum(r.trust < USUAL_TRUST for r in kept),
        "words_per_second": sum(r.targets for r in kept) / max(sum(r.seconds for r in kept), 1e-9),
    }
    if kept[0].parts:
        result["ablation"] = {part: _part(kept, part) for part in kept[0].parts}
    return result


def _part(results: Sequence[Personalization], part: str) -> dict[str, Any]:
    gains = [relative_gain(r.before, r.parts[part]) for r in results]
    scores = _total([r.parts[part] for r in results])
    return {
        "top1": scores.top1,
        "top3": scores.top3,
        "top1_all_words": scores.top1_all_words,
        "mean_relative_top1_gain": sum(gains) / len(gains),
        "users_better": sum(r.parts[part].scores.first > r.before.scores.first for r in results),
        "users_worse": sum(r.parts[part].scores.first < r.before.scores.first for r in results),
    }


def _comparable(results: Sequence[Personalization]) -> list[Personalization]:
    kept = [r for r in results if r.before.scores.first]
    if not kept:
        raise DataError("the model predicts no word of these users' newest messages correctly: choose other users")
    return kept


def _total(measured: Sequence[Measurement]) -> Scores:
    return sum((m.scores for m in measured), Scores())


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def live_result(users: Sequence[tuple[Scores, Typing, Typing]]) -> dict[str, float]:
    """Returns the pooled figures of people who typed on a keyboard that learned as they typed."""
    scores = sum((user[0] for user in users), Scores())
    typing, by_phrases = sum((user[1] for user in users), Typing()), sum((user[2] for user in users), Typing())
    return {
        "top1_personal": scores.top1,
        "top3_personal": scores.top3,
        "top1_all_words_personal": scores.top1_all_words,
        "top3_all_words_personal": scores.top3_all_words,
        "ksr_personal": typing.savings_rate,
        "ksr_phrases_personal": by_phrases.savings_rate,
    }


def curve_result(points: Sequence[CurvePoint]) -> dict[str, Any]:
    """Returns the curve for the command's JSON.

    Raises:
      DataError: the curve has no points.
    """
    if not points:
        raise DataError("nobody wrote enough words for a point of the curve: choose users who wrote more")
    return {
        "curve": [
            {
                "words": p.words,
                "relative_top1_gain": p.gain,
                "users": p.users,
                "ci": _pair(p.interval),
                "users_kept_new": p.kept_new,
            }
            for p in points
        ]
    }


def write_users(results: Sequence[Personalization], folder: Path) -> None:
    """Writes `users.csv`, with a row for each person."""
    rows = [
        {
            "user": r.user,
            "words_learned_from": r.words,
            "words_measured": r.before.scores.words,
            "top1_before": r.before.scores.top1,
            "top1_after": r.after.scores.top1,
            "top3_before": r.before.scores.top3,
            "top3_after": r.after.scores.top3,
            "relative_top1_gain": r.relative_gain,
            "ksr_before": r.typed_before.savings_rate,
            "ksr_after": r.typed_after.savings_rate,
            "kept": "old" if r.kept_old else "new",
            "words_held_back": r.verdict.new.words if r.verdict else 0,
            "perplexity_old": r.verdict.old.perplexity if r.verdict else "",
            "perplexity_new": r.verdict.new.perplexity if r.verdict else "",
            "move": r.move,
            "ngram_trust": r.trust,
            "top1_prequential": r.prequential.scores.top1,
            "change_beyond_noise": r.change,
            **{f"top1_{part}": measured.scores.top1 for part, measured in r.parts.items()},
        }
        for r in _comparable(results)
    ]
    write_csv(folder / "users.csv", _rounded(rows))


def write_curve(points: Sequence[CurvePoint], rows: Sequence[tuple[str, int, float]], folder: Path) -> None:
    """Writes `curve.csv`, `curve.png`, and `curve_users.csv` with a row for each person and point."""
    table = [
        {
            "words": p.words,
            "relative_top1_gain": p.gain,
            "low": p.interval.low if p.interval else "",
            "high": p.interval.high if p.interval else "",
            "users": p.users,
            "users_kept_new": p.kept_new,
        }
        for p in points
    ]
    users = [{"user": user, "words": words, "relative_top1_gain": gain} for user, words, gain in rows]
    write_csv(folder / "curve.csv", _rounded(table))
    write_csv(folder / "curve_users.csv", _rounded(users))
    plot_curve(curve_result(points)["curve"], folder / "curve.png")


def _rounded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: f"{value:.5f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
    ]
