"""The tables that `federate evaluate` and `federate personalize` print, made from the results for JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from federation.reports.tables import Rows

Result = Mapping[str, Any]
Tables = list[tuple[str, Rows]]  # titles, and rows of cells, column heads first

_RECALLS = {
    "top1": "the next word is the first suggestion (recall at 1)",
    "top3": "the next word is among three suggestions (recall at 3)",
    "top1_all_words": "recall at 1, words outside the vocabulary included",
    "top3_all_words": "recall at 3, words outside the vocabulary included",
    "ksr": "keystrokes saved (keystroke savings rate)",
    "ksr_phrases": "keystrokes saved with suggestions of several words",
}


def evaluation_tables(result: Result, users: int) -> Tables:
    """Returns the tables of a model's figures on the messages of a number of users."""
    outside, words = result["out_of_vocabulary"], result["words"] + result["out_of_vocabulary"]
    columns = {"": "this model", "_network": "its network alone", "_personal": "a keyboard that learns from it"}
    columns = {ending: head for ending, head in columns.items() if f"top1{ending}" in result}
    rows: Rows = [["", *columns.values()]]
    for key, label in _RECALLS.items():
        rows.append([label, *(_share(result[f"{key}{ending}"]) for ending in columns)])
    perplexities = [result.get(f"perplexity{ending}") for ending in columns]
    cells = ["" if value is None else f"{value:.1f}" for value in perplexities]
    rows.append(["perplexity of the words in the vocabulary", *cells])
    blank = [""] * (len(columns) - 1)
    rows.append(["words outside the vocabulary", f"{outside:,} ({_share(outside / max(words, 1))})", *blank])
    tables = [(f"{words:,} words of {users:,} {_people(users)}", rows)]
    if "slips_slips" in result:
        tables.append(_typo_table(result))
    return tables


def _typo_table(result: Result) -> tuple[str, Rows]:
    def of(name: str, total: str) -> list[str]:
        count = result[f"slips_{name}"]
        return [f"{count:,}", _share(count / max(result[f"slips_{total}"], 1))]

    rows: Rows = [["", "number", "share"]]
    rows.append(["typos corrected", *of("mended", "slips")])
    rows.append(["typos changed to a wrong word", *of("changed_wrongly", "slips")])
    rows.append(["typos with the intended word suggested", *of("offered", "slips")])
    rows.append(["correct words changed", *of("spoilt", "words")])
    rows.append(["… among words outside the vocabulary", *of("unknown_spoilt", "unknown")])
    return f"Autocorrection: {result['slips_slips']:,} typos and {result['slips_words']:,} words without a typo", rows


def personalization_tables(result: Result) -> Tables:
    """Returns the tables of the gains from learning on the device, or of the curve of gains."""
    if "curve" in result:
        return [_curve_table(result["curve"])]
    users = result["users"]
    rows: Rows = [["", "before", "after"]]
    for key, label in _RECALLS.items():
        if f"{key}_before" in result:
            rows.append([label, _share(result[f"{key}_before"]), _share(result[f"{key}_after"])])
    change: Rows = [["", ""]]
    gain = _gain(result["mean_relative_top1_gain"], result["mean_relative_top1_gain_ci"])
    change.append(["mean gain in recall at 1, relative to before, with its 95% interval", gain])
    change.append(["median gain", _gain(result["median_relative_top1_gain"])])
    counting = _gain(result["mean_relative_top1_gain_prequential"])
    change.append(["mean gain while the keyboard goes on counting their phrases", counting])
    for key, label in (
        ("users_better", "people with a higher recall at 1"),
        ("users_significantly_better", "… by more than chance explains"),
        ("users_worse", "people with a lower recall at 1"),
        ("users_significantly_worse", "… by more than chance explains"),
        ("users_kept_old", "people whose keyboard kept the network it had"),
        ("users_trusted_more", "people whose own phrases count more than usual"),
        ("users_trusted_less", "people whose own phrases count less than usual"),
    ):
        change.append([label, f"{result[key]:,} of {users:,}"])
    change.append(["words learned from in a second", f"{result['words_per_second']:,.0f}"])
    tables = [
        (f"{users:,} {_people(users)}, before and after learning from their own messages", rows),
        ("What learning changed", change),
    ]
    if "ablation" in result:
        tables.append(_ablation_table(result["ablation"], users))
    return tables


def _ablation_table(ablation: Mapping[str, Result], users: int) -> tuple[str, Rows]:
    rows: Rows = [["", "recall at 1", "recall at 3", "mean gain", "people better", "people worse"]]
    for part, own in ablation.items():
        cells = [_share(own["top1"]), _share(own["top3"]), _gain(own["mean_relative_top1_gain"])]
        rows.append([part, *cells, f"{own['users_better']:,}", f"{own['users_worse']:,}"])
    return f"Parts of learning, over the same {users:,} {_people(users)}", rows


def _curve_table(curve: Sequence[Result]) -> tuple[str, Rows]:
    rows: Rows = [["words typed", "mean gain in recall at 1, with its 95% interval", "people", "kept the new network"]]
    for point in curve:
        gain = _gain(point["relative_top1_gain"], point["ci"])
        rows.append([f"{point['words']:,}", gain, f"{point['users']:,}", f"{point['users_kept_new']:,}"])
    return "Gain from learning, by the number of words that a person had typed", rows


def _people(number: int) -> str:
    return "person" if number == 1 else "people"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _gain(value: float, interval: Sequence[float] | None = None) -> str:
    return f"{value:+.1%}" + (f" [{interval[0]:+.1%}, {interval[1]:+.1%}]" if interval else "")
